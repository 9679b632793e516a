/** The forecast of shares of the machine: the mean as a line, the 80 % band as an area around it. */

import { element, hour } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 44;
const BOTTOM = 22;
const RIGHT = 74;
const TOP = 8;
const SHOWN = { cpu_usage: "CPU", memory_usage: "memory" };
const LEAST_BETWEEN_LABELS = 16;

const y = (percent) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(Math.max(percent, 0), 100) / 100);

function path(xs, values) {
  return values.map((value, step) => `${step ? "L" : "M"}${xs[step].toFixed(1)},${y(value).toFixed(1)}`).join("");
}

function area(xs, low, high) {
  return `${path(xs, high)}L${path(xs.toReversed(), low.toReversed()).slice(1)}Z`;
}

function axes(metric, xs) {
  const drawn = element("g", { class: "axes" });
  for (const percent of [0, 50, 100]) {
    drawn.append(
      element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(percent), y2: y(percent) }),
      element("text", { x: LEFT - 8, y: y(percent) + 4, "text-anchor": "end" }, `${percent} %`),
    );
  }
  const every = Math.ceil(xs.length / 6);
  for (let step = 0; step < xs.length; step += every) {
    const moment = new Date(metric.origin).getTime() + (step + 1) * metric.step_s * 1000;
    drawn.append(element("text", { x: xs[step], y: HEIGHT - 4, "text-anchor": "middle" }, hour(moment)));
  }
  return drawn;
}

/** Heights for the names at the ends of the lines, none on top of another. */
function labelHeights(metrics) {
  const placed = metrics.map(([name, metric]) => [name, y(metric.mean.at(-1)) + 4]).sort((one, other) => one[1] - other[1]);
  placed.forEach((label, at) => {
    if (at) label[1] = Math.max(label[1], placed[at - 1][1] + LEAST_BETWEEN_LABELS);
  });
  return Object.fromEntries(placed);
}

function curve(name, metric, xs, labelHeight) {
  return element(
    "g",
    { class: name },
    element("path", { class: "band", d: area(xs, metric.quantiles["0.1"], metric.quantiles["0.9"]) }),
    element("path", { class: "mean", d: path(xs, metric.mean) }),
    element("text", { x: WIDTH - RIGHT + 8, y: labelHeight }, SHOWN[name]),
  );
}

function caption(forecast, metrics) {
  const tested = metrics
    .filter(([, metric]) => metric.backtest)
    .map(([name, { backtest }]) => `${SHOWN[name]} ${Math.round(100 * backtest.coverage)} % of ${backtest.n}`);
  const record = tested.length ? ` Hours that fell inside when tried on the past: ${tested.join(", ")}.` : "";
  const quiet = forecast.quiet_windows[0];
  const window = quiet ? ` Quiet from ${hour(quiet.start)} to ${hour(quiet.end)}.` : "";
  return `Hourly means with an 80 % band.${record}${window}`;
}

/** What stands in the figure: a chart and its caption, or why there is none. */
export function forecastFigure(forecast) {
  const metrics = Object.entries(forecast.metrics).filter(([name]) => name in SHOWN);
  if (!forecast.forecast_available || metrics.length === 0) {
    return [element("figcaption", {}, `No forecast: ${forecast.reason}`)];
  }
  const [, first] = metrics[0];
  const xs = first.mean.map((_, step) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / Math.max(first.mean.length - 1, 1));
  const names = metrics.map(([name]) => SHOWN[name]).join(" and ");
  const chart = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  chart.append(element("title", {}, `Forecast of ${names}, the next ${first.mean.length} hours`), axes(first, xs));
  const heights = labelHeights(metrics);
  for (const [name, metric] of metrics) chart.append(curve(name, metric, xs, heights[name]));
  return [chart, element("figcaption", {}, caption(forecast, metrics))];
}

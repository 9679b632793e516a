/** The start page: asks the REST API that stands beside it, and shows what it answers. */

import { forecastFigure } from "./chart.js";
import { fill, hour, line, mebibytes, nothing, words } from "./dom.js";
import { leaseLines, poolRows } from "./pools.js";

const SOON_MS = 10_000;
const SELDOM_MS = 300_000;

async function ask(path) {
  const response = await fetch(`/api/v1${path}`);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

async function showHealth() {
  const status = document.getElementById("status");
  try {
    const health = await ask("/health");
    const use = [["CPU", health.cpu_usage], ["memory", health.memory_usage]]
      .filter(([, share]) => share !== null)
      .map(([name, share]) => `${name} ${share.toFixed(0)} %`);
    status.textContent = [health.status, ...use].join(" · ");
    status.dataset.status = health.status;
    const named = [...health.issues, ...health.warnings];
    fill("problems", ...named.map((name) => line(words(name), health.details[name] ?? "")));
  } catch (error) {
    status.textContent = "no answer";
    status.dataset.status = "unknown";
    fill("problems", nothing(error.message));
  }
}

async function showLeases() {
  const held = await ask("/allocations?whose=all");
  fill("pools", ...poolRows(held.pools));
  fill("leases", ...leaseLines(held));
}

async function showForecast() {
  fill("forecast", ...forecastFigure(await ask("/forecast?horizon_hours=24")));
}

async function showDecisions() {
  const { optimization_history: decisions } = await ask("/optimization-history?limit=5");
  const lines = decisions.map((one) =>
    line(`${hour(one.created_at)} ${words(one.scope)}`, one.summary, `/api/v1/decisions/${one.decision_id}/explanation`),
  );
  fill("decisions", ...(lines.length ? lines : [nothing("None yet. An agent calls optimize_resources.")]));
}

async function showServers() {
  const census = await ask("/census");
  const lines = census.servers.map((one) =>
    line(one.server, `${one.copies} running in ${mebibytes(one.memory_bytes)}${one.orphans ? `, ${one.orphans} without a host` : ""}`),
  );
  lines.push(...Object.entries(census.warnings).map(([name, todo]) => line(words(name), todo)));
  fill("servers", ...(lines.length ? lines : [nothing("None seen among the processes of this machine.")]));
}

/** Show now and then again, but only while somebody looks. */
function keep(id, show, everyMs) {
  const once = async () => {
    if (document.hidden) return;
    try {
      await show();
    } catch (error) {
      fill(id, nothing(error.message));
    }
  };
  once();
  setInterval(once, everyMs);
  document.addEventListener("visibilitychange", once);
}

document.getElementById("mcp_url").textContent = `${location.origin}/mcp`;
keep("problems", showHealth, SOON_MS);
keep("leases", showLeases, SOON_MS);
keep("decisions", showDecisions, SOON_MS);
keep("servers", showServers, SELDOM_MS);
keep("forecast", showForecast, SELDOM_MS);

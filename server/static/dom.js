/** Elements, and the words for amounts and times. Text is set as text: nothing here is parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "rect", "path", "line", "text", "g", "title"]);

export function element(name, attributes = {}, ...children) {
  const made = DRAWN.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function fill(id, ...children) {
  document.getElementById(id).replaceChildren(...children);
}

/** A line of a list: what it is about, what is to be said of it, and where to read on. */
export function line(head, text, href) {
  const first = href ? element("a", { href }, head) : element("strong", {}, head);
  return element("li", {}, first, element("span", {}, text));
}

export function nothing(text) {
  return element("li", { class: "nothing" }, text);
}

export function words(name) {
  return name.replaceAll("_", " ");
}

export function hour(moment) {
  return new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function mebibytes(bytes) {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** Pools as bars, and the leases that hold of them. */

import { duration, element, line, nothing, words } from "./dom.js";

const SHOWN_LEASES = 8;

/** Shares of the pool from left to right; what is left over is free. */
function bar(pool) {
  const parts = { leased: (pool.allocated ?? 0) + (pool.spent ?? 0), unmanaged: pool.unmanaged ?? 0, kept: pool.reserved ?? 0 };
  const drawn = element("svg", { class: "bar", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  let from = 0;
  for (const [name, amount] of Object.entries(parts)) {
    const width = Math.min((100 * amount) / pool.total, 100 - from);
    drawn.append(element("rect", { class: name, x: from, width, y: 0, height: 1 }));
    from += width;
  }
  return drawn;
}

function poolRow(pool) {
  const name = element("strong", {}, words(pool.resource));
  if (!pool.total) return element("li", {}, name, element("span", { class: "unlimited" }, pool.summary));
  return element("li", {}, name, bar(pool), element("span", {}, pool.summary));
}

/** Pools that hold something, the limited ones first. */
export function poolRows(pools) {
  const shown = Object.values(pools).filter((pool) => pool.total !== 0 && (pool.total || pool.allocated || pool.spent));
  shown.sort((one, other) => (other.total ? 1 : 0) - (one.total ? 1 : 0));
  return shown.map(poolRow);
}

function leaseLine(lease) {
  const ends = lease.expires_in_s === null ? "" : ` Ends in ${duration(lease.expires_in_s)} unless renewed.`;
  const state = lease.state === "active" ? "" : ` (${words(lease.state)})`;
  return line((lease.purpose ?? lease.principal ?? "a lease") + state, lease.summary + ends);
}

export function leaseLines({ allocations, total }) {
  if (total === 0) return [nothing("Nobody holds a lease. An agent calls allocate before heavy work.")];
  const lines = allocations.slice(0, SHOWN_LEASES).map(leaseLine);
  if (total > lines.length) lines.push(nothing(`and ${total - lines.length} more`));
  return lines;
}

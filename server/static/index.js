"use strict";

const EVERY_MS = 10000;

function show(id, text) {
  document.getElementById(id).textContent = text;
}

function showShare(name, meter, value) {
  show(name, value === null || value === undefined ? "unknown" : `${value.toFixed(1)} %`);
  document.getElementById(meter).value = value ?? 0;
}

async function refresh() {
  const status = document.getElementById("status");
  try {
    const answer = await fetch("/api/v1/health");
    const health = await answer.json();
    if (!answer.ok) throw new Error(health.detail);
    status.textContent = health.status;
    status.dataset.status = health.status;
    showShare("cpu_usage", "cpu_meter", health.cpu_usage);
    showShare("memory_usage", "memory_meter", health.memory_usage);
    const notes = [...health.issues, ...health.warnings].map((word) => word.replaceAll("_", " "));
    show("notes", notes.join(" · "));
  } catch (error) {
    status.textContent = "no answer";
    status.dataset.status = "unknown";
    show("notes", String(error.message ?? error));
  }
}

show("mcp_url", `${location.origin}/mcp`);
refresh();
setInterval(refresh, EVERY_MS);

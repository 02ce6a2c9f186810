// Draws a chart from each table of figures. Without this script people read the tables.
"use strict";

(() => {
  const HEIGHT = 180;
  const plots = new Map();

  function figures(table) {
    const times = [];
    const values = [];
    for (const row of table.tBodies[0].rows) {
      times.push(Date.parse(row.cells[0].dataset.at) / 1000);
      values.push(Number(row.cells[1].textContent));
    }
    return [times, values];
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function options(figure, unit, width) {
    const axis = { stroke: colour("--text"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
    const bars = unit === "day" ? { paths: uPlot.paths.bars({ size: [0.6, 60] }) } : {};
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] } },
      axes: [axis, { ...axis, size: 64 }],
      series: [{}, { stroke: colour("--accent"), fill: colour("--info-back"), width: 2, points: { show: false }, ...bars }],
    };
  }

  function draw(figure) {
    const place = figure.querySelector(".plot");
    const table = figure.querySelector("table");
    const old = plots.get(figure.id);
    if (old) old.destroy();
    place.replaceChildren();
    plots.set(figure.id, new uPlot(options(figure, table.dataset.unit, place.clientWidth), figures(table), place));
  }

  function drawAll() {
    document.querySelectorAll("figure.chart").forEach(draw);
  }

  let waiting = null;
  function drawSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll);
  }

  drawAll();
  window.addEventListener("resize", drawSoon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  // A fragment that was loaded again has new figures and an empty place.
  document.addEventListener("htmx:after:swap", drawSoon);
})();

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

  // Times in UTC and with 24 hours, as in the tables.
  const DAY_S = 86400;
  function label(unit, time) {
    const text = new Date(time * 1000).toISOString();
    const isDay = unit === "day" || time % DAY_S === 0;
    return isDay ? text.slice(5, 10) : text.slice(11, 16);
  }

  function options(unit, width, moments) {
    const axis = { stroke: colour("--text"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
    const bars = unit === "day" ? { paths: uPlot.paths.bars({ size: [0.6, 60] }) } : {};
    // A bar has its day in the middle; one point alone needs some room.
    const around = unit === "day" ? DAY_S : moments.length > 1 ? 0 : 1800;
    const times = { ...axis, space: 70, values: (_, ticks) => ticks.map((each) => label(unit, each)) };
    if (unit === "day") times.incrs = [1, 2, 7, 14, 28].map((n) => n * DAY_S);
    // A line through one point is not seen.
    const points = { show: unit !== "day" && moments.length === 1, size: 8, fill: colour("--accent") };
    const line = { stroke: colour("--accent"), fill: colour("--info-back"), width: 2, points, ...bars };
    return {
      width,
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => [moments[0] - around, moments[moments.length - 1] + around] },
        y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] },
      },
      axes: [times, { ...axis, size: 64 }],
      series: [{}, line],
    };
  }

  function draw(figure) {
    const place = figure.querySelector(".plot");
    const table = figure.querySelector("table");
    const found = figures(table);
    const old = plots.get(figure.id);
    if (old) old.destroy();
    place.replaceChildren();
    plots.set(figure.id, new uPlot(options(table.dataset.unit, place.clientWidth, found[0]), found, place));
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

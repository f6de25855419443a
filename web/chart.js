// SPDX-License-Identifier: MIT
// A line chart that fills its place, follows the theme, and is told new numbers without being made
// anew. Screen readers get its sentence.
import { h } from "./lib/preact.js";
import { useEffect, useRef } from "./lib/hooks.js";
import uPlot from "./lib/uplot.js";

const FONT = "12px system-ui, sans-serif";
const AXIS_WIDTH_MIN = 50;
const AXIS_GAP = 14; // between labels and lines, and the edge
const LABEL_HALF = 28; // of a time that stands at the right end

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const second = new Intl.DateTimeFormat(undefined,
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// Of a short time the first round moment may lie behind its end, where there is no room.
const within = (plot, ticks) => ticks.map((tick) => tick > plot.scales.x.max ? null : tick);

// As much of a time as tells ticks apart that lie a step from each other.
function showTimes(ticks, step) {
  const format = step < 60 ? second : step < 86400 ? minute : day;
  const labels = ticks.map((tick) => tick === null ? null : format.format(new Date(tick * 1000)));
  return labels.map((label, i) => label !== null && label === labels[i - 1] ? "" : label); // ticks within a second
}

// Cents are left out where there are none in any label.
function showValues(ticks, format) {
  const labels = ticks.map((tick) => format(tick));
  return labels.every((label) => /\.0+$/.test(label)) ? labels.map((label) => label.replace(/\.0+$/, "")) : labels;
}

// As wide as the widest label, in CSS pixels: amounts may be long, and none of their digits is cut.
const measure = document.createElement("canvas").getContext("2d");
function widthFor(labels) {
  measure.font = FONT;
  return Math.max(AXIS_WIDTH_MIN, AXIS_GAP + Math.ceil(Math.max(0, ...(labels ?? []).map((label) => measure.measureText(label).width))));
}

function options(lines, width, height, format) {
  const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false }, font: FONT };
  return {
    width, height, cursor: { y: false, points: { size: 7 } }, legend: { live: true },
    padding: [10, LABEL_HALF, 8, 0],
    scales: { y: { range: (_, low, high) => {
      const from = Math.min(0, low ?? 0);
      const to = Math.max(high ?? 1, from + 1);
      return [from, to + (to - from) * 0.08];
    } } },
    axes: [{ ...axis, space: 80, size: 26, filter: within, grid: { ...axis.grid, filter: within },
      values: (_, ticks, index, space, step) => showTimes(ticks, step) },
      { ...axis, size: (_, labels) => widthFor(labels), values: (_, ticks) => showValues(ticks, format) }],
    series: [{ value: (_, at) => (at ? `${day.format(at * 1000)} ${second.format(at * 1000)}` : "") },
      ...lines.map((line) => ({
      label: line.label, stroke: colour(line.colour), width: 2, spanGaps: false,
      points: { show: false },
      paths: line.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
      fill: line.filled ? colour(line.colour) + "22" : undefined,
      value: (_, value) => (value === null || value === undefined ? "" : format(value)),
    }))],
  };
}

// columns: [times in seconds, values of the first line, ...]. lines: [{label, colour: "--gold",
// filled, stepped}]. format: a value to text. sentence: what the chart shows, for who cannot see it.
export function Chart({ columns, lines, height = 200, format = String, sentence, theme }) {
  const place = useRef(null);
  const plot = useRef(null);
  const latest = useRef(columns);
  latest.current = columns;
  useEffect(() => {
    const element = place.current;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(lines, element.clientWidth, height, format), latest.current,
        element);
    };
    make();
    const sized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    return () => {
      sized.disconnect();
      dark.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [theme, lines.map((line) => line.label).join(), height]);
  useEffect(() => { plot.current?.setData(columns); });
  return h("div", { class: "chart", role: "img", "aria-label": sentence, ref: place });
}

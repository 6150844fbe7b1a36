// The answer in numbers and words.

import {direction, midpoint} from "./geometry.js";
import {readable} from "./instruction.js";

const SVG = "http://www.w3.org/2000/svg";
const STAGES = [
  ["decode", "reading the photo"],
  ["queue", "waiting"],
  ["model", "model"],
];
const find = (id) => document.getElementById(id);

// The motion in pixels of a photo {width, height}; corrected: by a person.
export function showMotion(answer, motion, size, corrected) {
  find("result").hidden = false;
  const title = `${readable(answer.action)} ${readable(answer.food_type)}`;
  find("result-title").textContent = corrected ? `${title}, corrected` : title;
  const points = {start: motion.start, midpoint: midpoint(motion), end: motion.end};
  const rows = Object.entries(points).map(([name, {x, y}]) => [
    name,
    `${x.toFixed(1)}, ${y.toFixed(1)}`,
    `${(x / size.width).toFixed(3)}, ${(y / size.height).toFixed(3)}`,
  ]);
  rows.push(["direction", `${direction(motion).toFixed(1)}°`, ""]);
  find("numbers").replaceChildren(...rows.map(row));
}

export function showJson(answers) {
  find("json").textContent = JSON.stringify(answers, null, 2);
}

// Where the time went, by the server's count, and all of it as this page saw it.
export function showLatency(timing, seenMs) {
  let left = 0;
  const total = Math.max(seenMs, timing.total);
  const bars = STAGES.map(([name]) => {
    const width = (100 * (timing[name] ?? 0)) / total;
    const bar = rectangle(left, width, `stage-${name}`);
    left += width;
    return bar;
  });
  find("latency-bar").replaceChildren(rectangle(0, 100, "stage-rest"), ...bars);
  find("latency-text").textContent =
    `${milliseconds(seenMs)} from click to arrow, ${milliseconds(timing.total)} of it in the server:`;
  const parts = STAGES.map(([name, words]) => {
    const item = document.createElement("li");
    item.className = `stage-${name}`;
    item.textContent = `${words} ${milliseconds(timing[name] ?? 0)}`;
    return item;
  });
  find("latency-parts").replaceChildren(...parts);
}

// `found` is of verdict.js; null hides it.
export function showVerdict(found) {
  find("uncertainty").hidden = found === null;
  if (found === null) return;
  find("uncertainty").dataset.level = found.level;
  find("verdict").textContent = found.title;
  find("verdict-text").textContent = found.text;
}

export function showLegend(needs) {
  find("legend").hidden = false;
  for (const item of document.querySelectorAll("#legend [data-needs]")) {
    item.hidden = !needs[item.dataset.needs];
  }
}

function row([name, ...values]) {
  const made = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  made.append(head);
  for (const value of values) made.insertCell().textContent = value;
  return made;
}

function rectangle(x, width, kind) {
  const made = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({x, width, y: 0, height: 6, class: kind})) {
    made.setAttribute(name, value);
  }
  return made;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

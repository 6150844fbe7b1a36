// The motion drawn on the photo as SVG, whose ends can be moved with pointer and keyboard.
//
// The drawing's units are pixels of the photo, so what is in the attributes is what the server said.

import {arrowHead, midpoint, moved} from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const NAMES = {start: "Start of the motion", middle: "Midpoint of the motion", end: "End of the motion"};
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
// One press moves by this share of the photo's shorter side.
const STEP = 0.005;
const FAR = 10;

export class Overlay {
  // onMove(motion) is called for each change that a person makes.
  constructor(svg, onMove) {
    this.svg = svg;
    this.onMove = onMove;
    this.layers = {};
    for (const name of ["crop", "region", "ghost", "arrow", "samples", "handles"]) {
      this.layers[name] = svg.appendChild(element("g", {id: `layer-${name}`}));
    }
    new ResizeObserver(() => this.draw()).observe(svg);
    this.clear({width: 1, height: 1});
  }

  // Takes everything away. size: of the photo, pixels.
  clear(size) {
    this.size = size;
    this.predicted = this.motion = this.ellipse = this.region = this.crop = null;
    this.samples = [];
    this.svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    this.draw();
  }

  // The server's answer, and what is drawn of it now: a correction if the two differ.
  setMotion(predicted, motion) {
    this.predicted = predicted;
    this.motion = motion;
    this.draw();
  }

  setSamples(midpoints, ellipse) {
    this.samples = midpoints;
    this.ellipse = ellipse;
    this.draw();
  }

  // The server's calibrated region of the midpoint {center_x, center_y, radius_x, radius_y}.
  setRegion(region) {
    this.region = region;
    this.draw();
  }

  // What the model's last look saw, [x1, y1, x2, y2] in 0..1 of the photo; all of it has no frame.
  setCrop(crop) {
    this.crop = crop?.some((value, index) => value !== Math.floor(index / 2)) ? crop : null;
    this.draw();
  }

  draw() {
    // Pixels of the photo in one pixel of the screen: marks keep their size on the screen.
    this.unit = this.size.width / (this.svg.clientWidth || this.size.width);
    this.drawCrop();
    this.drawRegion();
    this.drawSamples();
    this.layers.ghost.replaceChildren();
    this.layers.arrow.replaceChildren();
    if (!this.motion) {
      this.layers.handles.replaceChildren();
      return;
    }
    if (this.predicted !== this.motion) {
      this.layers.ghost.append(line(this.predicted, {id: "ghost", class: "mark-ghost"}));
    }
    this.drawArrow();
    this.drawHandles();
  }

  drawCrop() {
    this.layers.crop.replaceChildren();
    if (!this.crop) return;
    const [x1, y1, x2, y2] = this.crop;
    const {width, height} = this.size;
    const place = {x: x1 * width, y: y1 * height, width: (x2 - x1) * width, height: (y2 - y1) * height};
    this.layers.crop.append(
      element("rect", {class: "crop-halo", ...place}),
      element("rect", {id: "crop", class: "mark-crop", ...place}),
    );
  }

  drawRegion() {
    this.layers.region.replaceChildren();
    if (!this.region) return;
    const {center_x: cx, center_y: cy, radius_x: rx, radius_y: ry} = this.region;
    this.layers.region.append(
      element("ellipse", {class: "region-halo", cx, cy, rx, ry}),
      element("ellipse", {id: "region", class: "mark-region", cx, cy, rx, ry}),
    );
  }

  drawSamples() {
    const r = 3 * this.unit;
    const dots = this.samples.map(({x, y}) => element("circle", {class: "sample mark-sample", cx: x, cy: y, r}));
    if (this.ellipse) {
      const {x, y, rx, ry, angle} = this.ellipse;
      const turn = `rotate(${angle} ${x} ${y})`;
      const place = {cx: x, cy: y, rx, ry, transform: turn};
      dots.push(element("ellipse", {class: "ellipse-halo", ...place}));
      dots.push(element("ellipse", {id: "ellipse", class: "mark-ellipse", ...place}));
    }
    this.layers.samples.replaceChildren(...dots);
  }

  drawArrow() {
    const {start, end} = this.motion;
    const length = Math.hypot(end.x - start.x, end.y - start.y);
    // A short motion gets a short head, or nothing of its line would be seen.
    const head = arrowHead(this.motion, Math.min(20 * this.unit, 0.5 * length));
    const points = head.map(({x, y}) => `${x},${y}`).join(" ");
    // The line ends inside the head, or it would stick out at the tip.
    const shaft = {start, end: midpoint({start: head[1], end: head[2]})};
    this.layers.arrow.append(
      line(shaft, {class: "arrow-halo"}),
      line(shaft, {id: "arrow", class: "arrow-line"}),
      element("polygon", {id: "arrow-head", class: "mark-end", points}),
    );
  }

  drawHandles() {
    const {start, end} = this.motion;
    const points = {start, end, middle: midpoint(this.motion)};
    // Pixels of the screen. Marks of a short motion are small, or they would hide it, and no end
    // reaches further than the midpoint, or the other one could not be had.
    const length = Math.hypot(end.x - start.x, end.y - start.y) / this.unit;
    const scale = limited(length / 70, 0.55, 1);
    const reach = {start: limited(length / 2, 10, 20), end: limited(length / 2, 10, 20)};
    reach.middle = limited(length / 4, 6, 14);
    for (const part of ["middle", "start", "end"]) {
      const group = this.handle(part);
      const {x, y} = points[part];
      group.setAttribute("transform", `translate(${x} ${y}) scale(${this.unit})`);
      group.firstChild.setAttribute("r", reach[part]);
      group.lastChild.setAttribute("transform", `scale(${scale})`);
      group.dataset.x = x;
      group.dataset.y = y;
      group.setAttribute("aria-label", `${NAMES[part]}: x ${Math.round(x)}, y ${Math.round(y)}`);
    }
  }

  // Made once and then moved, so that it keeps the keyboard's focus.
  handle(part) {
    const known = this.layers.handles.querySelector(`[data-part=${part}]`);
    if (known) return known;
    const group = element("g", {id: `handle-${part}`, class: "handle", tabindex: 0, role: "button"});
    group.dataset.part = part;
    group.setAttribute("aria-roledescription", "movable point");
    const mark = element("g", {});
    mark.append(element("circle", {class: "focus-ring", r: 14}));
    if (part === "start") mark.append(element("circle", {class: "mark-start", r: 6}));
    if (part === "middle") mark.append(element("path", {class: "mark-middle", d: "M0-6 6 0 0 6-6 0z"}));
    group.append(element("circle", {class: "reach"}), mark);
    group.addEventListener("pointerdown", (event) => this.drag(event, group, part));
    // Or a finger would scroll the page; `touch-action` has no effect inside an SVG.
    group.addEventListener("touchstart", (event) => event.preventDefault(), {passive: false});
    group.addEventListener("keydown", (event) => this.press(event, part));
    // In the order in which Tab should reach them; what comes later lies on top.
    this.layers.handles.append(group);
    return group;
  }

  drag(event, group, part) {
    if (event.button !== 0) return;
    event.preventDefault();
    group.focus();
    group.setPointerCapture(event.pointerId);
    const from = this.motion;
    const first = this.position(event);
    const move = (next) => {
      const now = this.position(next);
      this.change(moved(from, part, {x: now.x - first.x, y: now.y - first.y}, this.size));
    };
    const finish = () => group.removeEventListener("pointermove", move);
    group.addEventListener("pointermove", move);
    group.addEventListener("lostpointercapture", finish, {once: true});
  }

  press(event, part) {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    let step = Math.max(1, STEP * Math.min(this.size.width, this.size.height));
    if (event.shiftKey) step *= FAR;
    if (event.altKey) step = 1;
    this.change(moved(this.motion, part, {x: way[0] * step, y: way[1] * step}, this.size));
  }

  change(motion) {
    this.motion = motion;
    this.draw();
    this.onMove(motion);
  }

  position(event) {
    const place = new DOMPoint(event.clientX, event.clientY);
    return place.matrixTransform(this.svg.getScreenCTM().inverse());
  }
}

function limited(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function line({start, end}, attributes) {
  return element("line", {x1: start.x, y1: start.y, x2: end.x, y2: end.y, ...attributes});
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

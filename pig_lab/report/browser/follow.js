// Figures that follow the clock of a page's panels, and are pressed to move it; see pig_lab/report/clocked.py.
"use strict";
window.pig ??= {};

/** The frame that each group of panels and figures shows now. */
pig.now ??= {};

/** Tell all panels and figures of a group which frame is to be seen; `from` is who says so. */
pig.tell = (group, frame, from) => {
  pig.now[group] = frame;
  document.dispatchEvent(new CustomEvent("pig-frame", { detail: { group, frame, from } }));
};

const followers = group =>
  [...document.querySelectorAll("svg[data-clock]")].filter(svg => svg.dataset.group === group);

/** Mark frame t in an SVG: a line across a chart, a frame around the nearest picture of a strip, dots on paths. */
pig.mark = (svg, t) => {
  const clock = svg.clock ??= JSON.parse(svg.dataset.clock), parts = [];
  for (const { zero, step, left, right, top, bottom } of clock.lines) {
    const x = zero + t * step;
    if (x >= left && x <= right) parts.push(pig.make("line", { x1: x, x2: x, y1: top, y2: bottom, class: "pig-now" }));
  }
  if (clock.pictures.length) {
    const near = clock.pictures[pig.nearest(clock.pictures.map(({ frame }) => frame), t)].frame;
    for (const { frame, x, y, width, height } of clock.pictures) {
      if (frame === near) parts.push(pig.make("rect", { x, y, width, height, class: "pig-now" }));
    }
  }
  for (const frames of clock.paths) {
    for (const [cx, cy] of frames[t] ?? []) parts.push(pig.make("circle", { cx, cy, r: 6, class: "pig-now pig-here" }));
  }
  svg.querySelector(".pig-marks")?.remove();
  const layer = pig.make("g", { class: "pig-marks", "aria-hidden": "true" });
  layer.append(...parts);
  svg.append(layer);
};

/** The frame that a point of an SVG is of, or undefined where there is none. */
pig.frameAt = (svg, x, y) => {
  const { lines, pictures, paths } = svg.clock ??= JSON.parse(svg.dataset.clock);
  const line = lines.find(({ left, right, top, bottom }) => x >= left && x <= right && y >= top && y <= bottom);
  if (line) return Math.round((x - line.zero) / line.step);
  const picture = pictures.find(at => x >= at.x && x <= at.x + at.width && y >= at.y && y <= at.y + at.height);
  if (picture) return picture.frame;
  const near = paths.flatMap(frames => frames.map((at, t) => [Math.min(...at.map(([cx, cy]) => Math.hypot(cx - x, cy - y))), t]));
  const [distance, frame] = near.sort((a, b) => a[0] - b[0])[0] ?? [Infinity];
  return distance < 12 ? frame : undefined;
};

if (!pig.follows) { // a notebook runs this once for each of its panels
  pig.follows = true;
  document.addEventListener("pig-frame", ({ detail: { group, frame } }) => {
    for (const svg of followers(group)) pig.mark(svg, frame);
  });
  document.addEventListener("DOMContentLoaded", () => { // figures that came after the panels
    for (const [group, frame] of Object.entries(pig.now)) for (const svg of followers(group)) pig.mark(svg, frame);
  });
  document.addEventListener("click", event => {
    const svg = event.target.closest?.("svg[data-clock]");
    if (!svg || !(svg.dataset.group in pig.now)) return;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const frame = pig.frameAt(svg, x, y);
    if (frame !== undefined) pig.tell(svg.dataset.group, frame, svg);
  });
}

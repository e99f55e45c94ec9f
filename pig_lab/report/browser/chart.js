// A small chart in SVG, whose text and lines follow the theme of the page.
"use strict";
window.pig ??= {};

const WIDTH = 300, HEIGHT = 190;

/**
 * Axes with a title; `draw` fills them.
 *
 * @param square   a pixel to the right is as long as one down
 * @param label    what a screen reader says of it
 * @param picked   called with (x, y) where the reader presses or drags; without it nothing can be dragged
 * @param both     x and y are dragged, not x alone
 */
pig.chart = ({ title, label, xlabel, ylabel, picked, both = false, square = false }) => {
  const BOX = { left: square ? 90 : 58, right: square ? 214 : 288, top: 26, bottom: 150 };
  const layer = pig.make("g"), heading = pig.make("text", { x: BOX.left, y: 14, class: "pig-title" }, title);
  const under = pig.make("text", { x: (BOX.left + BOX.right) / 2, y: 182, "text-anchor": "middle" }, xlabel);
  const beside = pig.make("text", { x: -88, y: BOX.left - 46, transform: "rotate(-90)", "text-anchor": "middle" }, ylabel);
  const svg = pig.make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label,
                                class: "pig-chart" }, layer, heading, under, beside);
  let scale = null;
  const drawn = []; // {tag, attributes, text, node} of what is in the layer
  const redraw = parts => { // only what has changed: a slider move must cost little
    parts.forEach(([tag, attributes, text = ""], i) => {
      const old = drawn[i]?.tag === tag ? drawn[i] : { tag, attributes: {}, text: "", node: pig.make(tag) };
      if (!drawn[i]) layer.append(old.node);
      else if (drawn[i] !== old) drawn[i].node.replaceWith(old.node);
      for (const name in { ...old.attributes, ...attributes }) {
        const value = attributes[name] ?? null;
        if (value === (old.attributes[name] ?? null)) continue;
        if (value === null) old.node.removeAttribute(name); else old.node.setAttribute(name, value);
      }
      if (text !== old.text) old.node.textContent = text;
      drawn[i] = Object.assign(old, { attributes, text });
    });
    for (const { node } of drawn.splice(parts.length)) node.remove();
  };
  const axis = (low, high, log, from, to) => {
    const f = log ? Math.log : x => x, a = f(low), span = f(high) - a || 1;
    return {
      to: value => from + (to - from) * (f(value) - a) / span,
      back: place => { const x = a + span * (place - from) / (to - from); return log ? Math.exp(x) : x; },
    };
  };
  if (picked) {
    const pick = event => {
      const box = svg.getBoundingClientRect();
      const x = WIDTH * (event.clientX - box.left) / box.width, y = HEIGHT * (event.clientY - box.top) / box.height;
      picked(scale.x.back(Math.min(Math.max(x, BOX.left), BOX.right)), scale.y.back(Math.min(Math.max(y, BOX.top), BOX.bottom)));
    };
    svg.classList.add("pig-drag", ...both ? ["pig-both"] : []);
    svg.addEventListener("pointerdown", event => { svg.setPointerCapture(event.pointerId); pick(event); });
    svg.addEventListener("pointermove", event => { if (event.buttons) pick(event); });
  }
  /**
   * @param x, y     {low, high, log} of the axes
   * @param lines    {x, y, kind, color} each, kind is the end of a class name: truth, model, object
   * @param image    a picture to fill the box with
   * @param bands    {from, to} along x, shaded
   * @param marks    {x} or {y} of thin lines, with a name
   * @param dots     {x, y, small, color} each
   */
  const draw = ({ x, y, lines = [], image = null, faded = false, bands = [], marks = [], dots = [] }) => {
    scale = { x: axis(x.low, x.high, x.log, BOX.left, BOX.right), y: axis(y.low, y.high, y.log, BOX.bottom, BOX.top) };
    const px = value => scale.x.to(Math.min(Math.max(value, x.low), x.high)).toFixed(1);
    const py = value => scale.y.to(Math.min(Math.max(value, Math.min(y.low, y.high)), Math.max(y.low, y.high))).toFixed(1);
    const { left, right, top, bottom } = BOX, parts = [];
    for (const { from, to } of bands) {
      parts.push(["rect", { x: px(from), y: top, width: px(to) - px(from), height: bottom - top, class: "pig-band" }]);
    }
    if (image) parts.push(["image", { href: image, x: left, y: top, width: right - left, height: bottom - top,
                                      preserveAspectRatio: "none", opacity: faded ? 0.4 : 1 }]);
    parts.push(["path", { d: `M${left},${top} V${bottom} H${right}`, class: "pig-axis" }]);
    for (const line of lines) {
      const points = Array.from(line.x, (value, i) => `${px(value)},${py(line.y[i])}`).join(" ");
      parts.push(["polyline", { points, class: `pig-line pig-line-${line.kind}`, style: line.color ? `stroke:${line.color}` : null }]);
    }
    for (const { name, ...at } of marks) {
      const [x1, x2, y1, y2] = "x" in at ? [px(at.x), px(at.x), top, bottom] : [left, right, py(at.y), py(at.y)];
      parts.push(["line", { x1, x2, y1, y2, class: "pig-mark" }]);
      if (name) {
        const late = x1 > (left + right) / 2;
        parts.push(["text", { x: Number(x1) + (late ? -4 : 4), y: top + 10, "text-anchor": late ? "end" : "start" }, name]);
      }
    }
    for (const dot of dots) {
      parts.push(["circle", { cx: px(dot.x), cy: py(dot.y), r: dot.small ? 2.5 : 5, class: dot.small ? "pig-trace" : "pig-dot",
                              style: dot.color ? `fill:${dot.color}` : null }]);
    }
    const tick = (value, place, anchor, at) =>
      parts.push(["text", { x: place, y: at, "text-anchor": anchor }, String(Number(value.toPrecision(2)))]);
    tick(x.low, left, "start", bottom + 16);
    tick(x.high, right, "end", bottom + 16);
    tick(y.high, left - 5, "end", top + 10);
    tick(y.low, left - 5, "end", bottom);
    redraw(parts);
  };
  return { svg, draw, say: text => { heading.textContent = text; }, name: text => { under.textContent = text; } };
};

/** The lowest and the highest of some numbers, with a little air; for a logarithmic axis both are above 0. */
pig.limits = (values, log = false) => {
  let low = Math.min(...values), high = Math.max(...values);
  if (!log) return { low: Math.min(0, low), high: high || 1 };
  low = Math.max(low, 1e-3);
  return { low: low / 1.15, high: Math.max(high, low * 1.5) * 1.15, log: true };
};

/** A value between 0 and 1 as a colour that is dark where it is small: blue, green, yellow, told apart by everybody. */
pig.heat = value => {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const at = Math.min(Math.max(value, 0), 1) * 4, low = Math.min(Math.floor(at), 3);
  return stops[low].map((from, c) => from + (stops[low + 1][c] - from) * (at - low));
};

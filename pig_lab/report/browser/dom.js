// The parts of all panels: elements, sliders, lists, canvases, charts, and the bar of frames.

const SVG = ["svg", "path", "polyline", "circle", "line", "text", "rect", "g"];

/** An element with attributes (functions become listeners) and children. */
pig.make = (tag, attributes = {}, ...children) => {
  const node = SVG.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};

/** Three significant digits, three decimals at most, never an exponent. */
pig.digits = value => value ? value.toFixed(Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0), 3)) : "0";

/** Which of some numbers is nearest to `value`. */
pig.nearest = (numbers, value) =>
  numbers.reduce((best, number, i) => Math.abs(number - value) < Math.abs(numbers[best] - value) ? i : best, 0);

/** A labelled slider of `steps` even steps from low to high, or even in the logarithm; calls `moved(value)`. */
pig.slider = ({ label, unit = "", low, high, log = false, value, steps = 200, moved }) => {
  const from = log ? Math.log(low) : low, span = (log ? Math.log(high) : high) - from;
  const at = step => { const x = from + span * step / steps; return log ? Math.exp(x) : x; };
  const input = pig.make("input", { type: "range", min: 0, max: steps, step: "any", "aria-label": label });
  const shown = pig.make("span", { class: "pig-value" });
  const self = {
    node: pig.make("label", { class: "pig-slider" }, pig.make("span", {}, label), input, shown),
    label, low, high, log, value, start: value, at, steps,
    set(next) {
      self.value = Math.min(Math.max(next, low), high);
      input.value = steps * ((log ? Math.log(self.value) : self.value) - from) / span;
      shown.textContent = `${pig.digits(self.value)} ${unit}`.trim();
      input.setAttribute("aria-valuetext", shown.textContent);
    },
  };
  input.addEventListener("input", () => { self.set(at(Number(input.value))); moved(self.value); });
  self.set(value);
  return self;
};

/** A list to choose one of `names` from; calls `chosen(index)`. */
pig.choice = (label, names, chosen) => {
  const select = pig.make("select", { "aria-label": label, change: () => chosen(select.selectedIndex) });
  select.append(...names.map(name => pig.make("option", {}, name)));
  return pig.make("label", {}, `${label} `, select);
};

/** A title above a canvas. */
pig.panel = (title, width, height, label) => {
  const canvas = pig.make("canvas", { width, height, role: "img", "aria-label": label });
  return { canvas, node: pig.make("div", { class: "pig-panel" }, pig.make("div", {}, title), canvas) };
};

/** Put bytes (height, width, 4) onto a canvas. */
pig.put = (canvas, bytes, width) => canvas.getContext("2d").putImageData(new ImageData(bytes, width), 0, 0);

/** Frames below one another in an image, as bytes (T, height, width, 4). */
pig.frames = async url => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const pen = pig.make("canvas", { width: image.width, height: image.height }).getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, image.width, image.height).data;
};

/**
 * Play, step, and a bar whose bands name the parts of the video; calls `show(frame)`.
 * Nothing starts by itself unless `plays` is set, nor where the reader asked for less motion.
 */
pig.clock = ({ frames, parts = [], labels, name = "frame", pause = 200, plays = false, start = 0, show }) => {
  let frame, timer = null;
  const bar = pig.make("input", { type: "range", min: 0, max: frames - 1, "aria-label": name,
                                  input: () => step(Number(bar.value)) });
  const where = pig.make("span", { class: "pig-time" });
  const bands = pig.make("div", { class: "pig-bands", "aria-hidden": "true" }, ...parts.map(part =>
    pig.make("span", { class: `pig-${part.name}`, style: `flex:${part.to - part.from}` }, part.name)));
  const put = next => {
    bar.value = frame = (next + frames) % frames;
    where.textContent = labels[frame];
    bar.setAttribute("aria-valuetext", labels[frame]);
    show(frame);
  };
  const step = next => { run(false); put(next); };
  const button = pig.make("button", { type: "button", class: "pig-play", click: () => run(timer === null) });
  const run = on => {
    clearInterval(timer);
    timer = on ? setInterval(() => { if (bar.isConnected) put(frame + 1); else run(false); }, pause) : null;
    button.textContent = on ? "\u275A\u275A pause" : "\u25B6 play";
  };
  const arrow = (sign, way, label) =>
    pig.make("button", { type: "button", "aria-label": label, click: () => step(frame + way) }, sign);
  const node = pig.make("div", { class: "pig-clock" }, pig.make("div", { class: "pig-bar" }, bands, bar), button,
    arrow("\u25C0", -1, "one frame back"), arrow("\u25B6", 1, "one frame on"), where);
  put(start);
  run(plays && !matchMedia("(prefers-reduced-motion: reduce)").matches);
  return { node, step, put, button, again: () => put(frame), get frame() { return frame; } };
};

/** Arrow keys and the space bar anywhere on a panel that is not a control of its own. */
pig.keys = (root, clock) => {
  root.tabIndex = 0;
  root.addEventListener("keydown", event => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.target !== root || !(way || event.key === " ")) return;
    event.preventDefault();
    if (way) clock.step(clock.frame + way); else clock.button.click();
  });
};

/** The range of an axis for some values; of a logarithmic axis both ends are above 0. */
pig.limits = (values, log = false) => {
  const low = Math.min(...values), high = Math.max(...values);
  if (!log) return { low: Math.min(0, low), high: high || 1 };
  return { low: Math.max(low, 1e-3) / 1.15, high: Math.max(high, 1.5e-3, 1.5 * low) * 1.15, log: true };
};

/**
 * Axes with a title; `draw` fills them. `picked(x, y)` is called where the reader presses or drags. In a `square` chart
 * a pixel to the right is as long as one down.
 */
pig.chart = ({ title, label, xlabel, ylabel, picked, square = false }) => {
  const [left, right, top, bottom] = square ? [90, 214, 26, 150] : [58, 288, 26, 150];
  const text = (x, y, anchor, words, more = {}) => pig.make("text", { x, y, "text-anchor": anchor, ...more }, words);
  const layer = pig.make("g"), under = text((left + right) / 2, 182, "middle", xlabel);
  const svg = pig.make("svg", { viewBox: "0 0 300 190", role: "img", "aria-label": label, class: "pig-chart" }, layer,
    text(left, 14, "start", title), under, text(-88, left - 46, "middle", ylabel, { transform: "rotate(-90)" }));
  const axis = ({ low, high, log }, from, to) => {
    const f = log ? Math.log : x => x, span = f(high) - f(low) || 1;
    const inside = value => Math.min(Math.max(value, Math.min(low, high)), Math.max(low, high));
    return {
      to: value => from + (to - from) * (f(inside(value)) - f(low)) / span,
      back: place => { const x = f(low) + span * (place - from) / (to - from); return inside(log ? Math.exp(x) : x); },
    };
  };
  let across, up;
  const pick = event => {
    const box = svg.getBoundingClientRect();
    picked(across.back(300 * (event.clientX - box.left) / box.width), up.back(190 * (event.clientY - box.top) / box.height));
  };
  if (picked) {
    svg.classList.add("pig-drag");
    svg.addEventListener("pointerdown", event => { svg.setPointerCapture(event.pointerId); pick(event); });
    svg.addEventListener("pointermove", event => { if (event.buttons) pick(event); });
  }
  /**
   * @param x, y     {low, high, log} of the axes
   * @param lines    {x, y, kind, color} each; kind: model, truth, object
   * @param bands    {from, to} along x, shaded
   * @param marks    {x} or {y} of thin lines, with a name
   * @param dots     {x, y, small, color} each
   */
  const draw = ({ x, y, lines = [], bands = [], marks = [], dots = [] }) => {
    [across, up] = [axis(x, left, right), axis(y, bottom, top)];
    const tick = value => String(Number(value.toPrecision(2)));
    layer.replaceChildren(
      ...bands.map(({ from, to }) => pig.make("rect", { class: "pig-band", x: across.to(from), y: top,
        width: across.to(to) - across.to(from), height: bottom - top })),
      pig.make("path", { d: `M${left},${top} V${bottom} H${right}`, class: "pig-axis" }),
      ...lines.map(line => pig.make("polyline", { class: `pig-line pig-line-${line.kind}`, style: line.color && `stroke:${line.color}`,
        points: Array.from(line.x, (value, i) => `${across.to(value).toFixed(1)},${up.to(line.y[i]).toFixed(1)}`).join(" ") })),
      ...marks.flatMap(({ name = "", ...at }) => {
        const along = "x" in at ? across.to(at.x) : up.to(at.y), late = along > (left + right) / 2;
        const ends = "x" in at ? { x1: along, x2: along, y1: top, y2: bottom } : { x1: left, x2: right, y1: along, y2: along };
        return [pig.make("line", { ...ends, class: "pig-mark" }), text(along + (late ? -4 : 4), top + 10, late ? "end" : "start", name)];
      }),
      ...dots.map(dot => pig.make("circle", { cx: across.to(dot.x), cy: up.to(dot.y), r: dot.small ? 3 : 5, class: "pig-dot",
        style: dot.color && `fill:${dot.color}` })),
      text(left, bottom + 16, "start", tick(x.low)), text(right, bottom + 16, "end", tick(x.high)),
      text(left - 5, top + 10, "end", tick(y.high)), text(left - 5, bottom, "end", tick(y.low)));
  };
  return { svg, draw, name: words => { under.textContent = words; } };
};

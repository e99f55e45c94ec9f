// What all panels of a page are built of: elements, sliders, the bar of frames, and one clock for panels of one video.
"use strict";
window.pig ??= {};

/** An element with attributes (functions become listeners) and children. */
pig.make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "path", "polyline", "circle", "line", "text", "rect", "image", "g"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};

/** Three significant digits, never an exponent. */
pig.digits = value => {
  const size = Math.abs(value);
  return !size ? "0" : size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
};

/** A labelled slider of `steps` even steps from low to high, or even in the logarithm; calls `moved(value)`. */
pig.slider = ({ label, unit = "", low, high, log = false, value, steps = 200, moved }) => {
  const from = log ? Math.log(low) : low, span = (log ? Math.log(high) : high) - from;
  const at = step => { const x = from + span * step / steps; return log ? Math.exp(x) : x; };
  const input = pig.make("input", { type: "range", min: 0, max: steps, step: "any", "aria-label": label });
  const shown = pig.make("span", { class: "pig-value" });
  const self = {
    node: pig.make("label", { class: "pig-slider" }, pig.make("span", {}, label), input, shown),
    label, input, low, high, log, value, start: value, at, steps,
    set(next) {
      self.value = Math.min(Math.max(next, low), high);
      input.value = steps * ((log ? Math.log(self.value) : self.value) - from) / span;
      const text = `${pig.digits(self.value)}${unit && ` ${unit}`}`;
      shown.textContent = text;
      input.setAttribute("aria-valuetext", text);
    },
    move(count) { self.set(at(Number(input.value) + count)); moved(self.value); },
  };
  input.addEventListener("input", () => { self.set(at(Number(input.value))); moved(self.value); });
  input.addEventListener("keydown", event => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 20, PageDown: -20 }[event.key];
    if (way) { event.preventDefault(); self.move(way); }
  });
  self.set(value);
  return self;
};

/** A list to choose one of `names` from; calls `chosen(index)`. */
pig.choice = (label, names, chosen) => {
  const select = pig.make("select", { "aria-label": label, change: () => chosen(select.selectedIndex) });
  select.append(...names.map(name => pig.make("option", {}, name)));
  return pig.make("label", {}, `${label} `, select);
};

/**
 * Play, step, and a bar whose bands say which frames are input, predicted and extrapolated; calls `show(frame)`.
 * Bars of one `group` move together, and figures with them (see follow.js): that is the one clock of all that shows
 * frames of the same time. The first of them says where to `start`.
 * Nothing starts by itself where the reader asked for less motion, or unless it is told to.
 */
pig.clock = ({ frames, parts = [], labels, pause = 200, group = "", plays = false, start = 0, show }) => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let frame = pig.now[group] ?? start, timer = null;
  const bar = pig.make("input", { type: "range", min: 0, max: frames - 1, value: 0, "aria-label": "frame" });
  const where = pig.make("span", { class: "pig-time" });
  const bands = pig.make("div", { class: "pig-bands", "aria-hidden": "true" });
  for (const { name, from, to } of parts) {
    bands.append(pig.make("span", { class: `pig-${name}`, style: `flex:${to - from}` }, name));
  }
  const say = () => {
    bar.value = frame;
    where.textContent = labels[frame];
    bar.setAttribute("aria-valuetext", labels[frame]);
  };
  const put = next => { frame = (next + frames) % frames; say(); show(frame); };
  const step = (next, still = true) => { if (still) run(false); put(next); if (group) pig.tell(group, frame, bar); };
  const button = pig.make("button", { type: "button", class: "pig-play", click: () => run(timer === null) });
  const run = on => {
    clearInterval(timer);
    timer = on ? setInterval(() => { if (bar.isConnected) step(frame + 1, false); else run(false); }, pause) : null;
    button.textContent = on ? "\u275A\u275A pause" : "\u25B6 play";
  };
  bar.addEventListener("input", () => step(Number(bar.value)));
  const arrow = (sign, way, name) =>
    pig.make("button", { type: "button", "aria-label": name, click: () => step(frame + way) }, sign);
  const node = pig.make("div", { class: "pig-clock" }, pig.make("div", { class: "pig-bar" }, bands, bar),
    button, arrow("\u25C0", -1, "one frame back"), arrow("\u25B6", 1, "one frame on"), where);
  document.addEventListener("pig-frame", ({ detail }) => {
    if (group && detail.group === group && detail.from !== bar && detail.frame < frames) { run(false); put(detail.frame); }
  });
  say();
  if (group && !(group in pig.now)) pig.tell(group, frame, bar);
  run(plays && !calm);
  return { node, step, put, again: () => put(frame), get frame() { return frame; } };
};

/** Arrow keys and the space bar anywhere on a panel that is not a control of its own. */
pig.keys = (node, clock) => node.addEventListener("keydown", event => {
  if (event.target !== node) return;
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (way) clock.step(clock.frame + way);
  else if (event.key === " ") clock.node.querySelector(".pig-play").click();
  else return;
  event.preventDefault();
});

/** Frames that lie below one another in a picture, as bytes (T, height, width, 4). */
pig.frames = async url => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = pig.make("canvas", { width: image.width, height: image.height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, image.width, image.height).data;
};

/** Float32 numbers from base64 (little-endian). */
pig.floats = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);

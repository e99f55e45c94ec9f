// The opening: one video, and a slider that the reader moves until the prediction meets the truth.
"use strict";
window.pig ??= {};

/** @param scene  as of pig.whatif, with one video; constant, the one to be found; from, where it starts; said, texts */
pig.opening = async (root, scene) => {
  const { size, frames, constant, said } = scene, area = size * size, [video] = scene.videos;
  const draw = pig.drawer(scene.look), bytes = await pig.frames(video.sheet), visited = [];
  const picture = new Uint8ClampedArray(4 * area);
  const about = scene.sliders.find(slider => slider.name === constant);
  const others = Object.fromEntries(scene.sliders.map(slider => [slider.name, slider.value]));
  const screen = pig.panel("orange: the video, blue: the prediction, white: both", size, size,
                           "the video in orange, the prediction over it in blue, white where they agree");
  const chart = pig.chart({ title: `loss for each ${constant} that you tried`, xlabel: about.label, ylabel: "loss per frame",
                            label: `loss against ${constant}, a dot for each value that you tried`,
                            picked: x => { slider.set(x); ask(); } });
  const verdict = pig.make("p", { class: "pig-said", role: "status" });
  let answer, curve = []; // the curve: [value, loss] each, once it is asked for
  const show = t => {
    if (!answer) return;
    const truth = bytes.subarray(4 * t * area, 4 * (t + 1) * area);
    draw.paint(pig.placeAt(scene, video, answer, t));
    pig.put(screen.canvas, pig.overlay(truth, draw.bytes(picture)), size);
  };
  const lossAt = value => pig.answer(scene, draw, video, bytes, { ...others, [constant]: value });
  const chartNow = () => {
    const { low, high, log } = slider, shown = curve.length > 0;
    chart.draw({
      x: { low, high, log }, y: { low: scene.least, high: scene.most, log: true },
      lines: shown ? [{ x: curve.map(([value]) => value), y: curve.map(([, loss]) => loss), kind: "model" }] : [],
      marks: shown ? [{ x: scene.truth[constant], name: "true" }] : [],
      dots: [...visited.map(([x, y]) => ({ x, y, small: true })), { x: slider.value, y: answer.loss }],
    });
  };
  const ask = () => {
    answer = lossAt(slider.value);
    if (visited.length < 400) visited.push([slider.value, answer.loss]);
    chartNow();
    show(clock.frame);
  };
  const slider = pig.slider({ ...about, value: scene.from, moved: ask });
  const reveal = pig.make("button", { type: "button", click: () => {
    curve = Array.from({ length: 41 }, (_, i) => slider.at(i * slider.steps / 40)).map(value => [value, lossAt(value).loss]);
    verdict.textContent = said.answer.replace("{yours}", pig.digits(slider.value));
    chartNow();
    show(clock.frame);
  } }, "show what the model measured");
  const clock = pig.clock({ frames, parts: scene.parts, labels: scene.labels, plays: true, show });
  root.append(
    pig.make("p", {}, said.task),
    pig.make("div", { class: "pig-two" }, pig.make("div", {}, screen.node, clock.node),
             pig.make("div", {}, pig.make("div", { class: "pig-sliders" }, slider.node), chart.svg, reveal, verdict)),
  );
  root.tabIndex = 0;
  pig.keys(root, clock);
  root.pig = { slider, get answer() { return answer; } };
  ask();
};

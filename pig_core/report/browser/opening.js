// The opening: one video, and a slider that the reader moves until the prediction meets the truth.
"use strict";
window.pig ??= {};

/** @param scene  as of pig.whatif, with one video; constant, the one to be found; from, where it starts; said, texts */
pig.opening = async (root, scene) => {
  const { size, input, frames, channels, constant, said } = scene, area = size * size, [video] = scene.videos;
  const draw = pig.drawer(scene.look), bytes = await pig.frames(video.sheet), visited = [];
  const about = scene.sliders.find(slider => slider.name === constant);
  const others = Object.fromEntries(scene.sliders.map(slider => [slider.name, slider.value]));
  video.pictures = Array.from({ length: frames }, () => new Float32Array(channels * area));
  video.seen.forEach((place, t) => draw(place, video.pictures[t]));
  const screen = pig.panel("orange: the video, blue: the prediction, white: both", size, size,
                           "the video in orange, the prediction over it in blue, white where they agree");
  const chart = pig.chart({ title: `loss for each ${constant} that you tried`, xlabel: about.label, ylabel: "loss per frame",
                            label: `loss against ${constant}, a dot for each value that you tried`,
                            picked: x => { slider.set(x); ask(); } });
  const verdict = pig.make("p", { class: "pig-said", role: "status" });
  let answer, shown = false;
  const show = t => {
    if (!answer) return;
    const truth = bytes.subarray(4 * t * area, 4 * (t + 1) * area);
    pig.put(screen.canvas, pig.overlay(truth, pig.bytes(video.pictures[t], channels, area)), size);
  };
  const lossAt = value => pig.answer(scene, draw, video, bytes, { ...others, [constant]: value });
  const chartNow = () => {
    const { low, high, log } = slider, curve = shown ? Array.from({ length: 41 }, (_, i) => slider.at(i * slider.steps / 40)) : [];
    const losses = curve.map(value => lossAt(value).loss);
    answer = lossAt(slider.value); // its pictures are those that are shown
    chart.draw({
      x: { low, high, log }, y: { low: scene.least, high: scene.most, log: true },
      lines: shown ? [{ x: curve, y: losses, kind: "model" }] : [],
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
    shown = true;
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

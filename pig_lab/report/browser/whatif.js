// What if the spring were stiffer? The reader asks, this page answers: no kernel, see laws.js and draw.js.

/**
 * A video of a scene that can be asked: places and errors of the predicted frames, and the loss per frame.
 *
 * @param scene  see pig_lab/report/whatif.py
 */
const asking = (scene, paint, video, bytes) => asked => {
  const { input, frames, channels } = scene, places = pig.rollout(scene, video, asked, frames - input);
  const errors = places.map((place, i) => pig.error(paint(place), bytes, input + i, channels));
  const all = [...video.seen, ...places]; // input frames are reconstructed, whatever is asked
  return { places: all, errors, loss: errors.reduce((a, b) => a + b, 0) / errors.length,
           image: t => pig.bytes(paint(all[t]), channels) };
};

/** The loss for 25 values of a slider, a few at a time so that the page stays quick; a later call replaces this one. */
const curves = () => {
  let timer;
  return (slider, lossAt, done) => {
    clearTimeout(timer);
    const x = [], y = [];
    const work = () => {
      for (const until = performance.now() + 8; x.length < 25 && performance.now() < until;) {
        x.push(slider.at(x.length * slider.steps / 24));
        y.push(lossAt(x.at(-1)));
      }
      if (x.length < 25) timer = setTimeout(work); else done({ x, y, kind: "model" });
    };
    timer = setTimeout(work, 60); // first whatever the reader is doing
  };
};

pig.whatif = async (root, scene) => {
  if (!(scene.law in pig.laws)) {
    root.append(`The law ${scene.law} is not written in JavaScript: it can be asked in explore.ipynb, not on a page.`);
    return;
  }
  const { size, input, frames, videos, objects } = scene, area = 4 * size * size, paint = pig.painter(scene.look);
  const sheets = await Promise.all(videos.map(video => pig.frames(video.sheet)));
  let ask, answer, video, bytes, index, active = scene.sliders[0].name, known = {}, learned;
  const panels = Object.fromEntries(["truth", "prediction", "difference"].map(name =>
    [name, pig.panel(name, size, size, `${name} of the chosen frame of ${scene.title}`)]));
  const sliders = Object.fromEntries(scene.sliders.map(about =>
    [about.name, pig.slider({ ...about, moved: () => { active = about.name; moved(); } })]));
  const asked = () => Object.fromEntries(Object.entries(sliders).map(([name, slider]) => [name, slider.value]));
  const curve = pig.chart({ title: "loss along the slider moved last", xlabel: "", ylabel: "loss per frame",
                            label: "loss of this video along one slider, with a dot at its value",
                            picked: x => { sliders[active].set(x); moved(); } });
  const decay = pig.chart({ title: "error of each frame", xlabel: "frame", ylabel: "squared error",
                            label: "image error over the predicted frames, with the chosen frame",
                            picked: x => clock.step(Math.round(x) - 1) });
  const paths = pig.chart({ title: "paths", xlabel: "x in pixels", ylabel: "y in pixels", square: true,
                            label: "true paths and those asked for", picked: (x, y) => clock.step(nearestFrame(x, y)) });
  const said = pig.make("p", { class: "pig-said" });
  const placeOf = (place, j) => { const at = j * place.length / objects; return [place[at], place[at + 1]]; };
  const every = Array.from({ length: objects }, (_, j) => j);
  const nearestFrame = (x, y) => pig.nearest(answer.places.map(place =>
    Math.min(...every.map(j => Math.hypot(placeOf(place, j)[0] - x, placeOf(place, j)[1] - y)))), 0);
  const drawCurve = () => {
    const slider = sliders[active], lines = known.line ? [known.line] : [];
    curve.name(slider.label);
    curve.draw({
      x: slider, y: pig.limits([...(known.line?.y ?? []), answer.loss], true), lines,
      dots: [{ x: slider.value, y: answer.loss }], marks: active in scene.truth ? [{ x: scene.truth[active], name: "true" }] : [],
    });
  };
  const show = t => {
    if (!answer) return;
    const truth = bytes.subarray(t * area, (t + 1) * area), prediction = answer.image(t);
    pig.put(panels.truth.canvas, truth, size);
    pig.put(panels.prediction.canvas, prediction, size);
    pig.put(panels.difference.canvas, pig.difference(truth, prediction), size);
    decay.draw({
      x: { low: 1, high: frames }, y: pig.limits(answer.errors), marks: [{ x: t + 1 }],
      bands: scene.parts.filter(part => part.name === "predicted").map(({ from, to }) => ({ from: from + 1, to })),
      lines: [{ x: answer.errors.map((_, i) => input + 1 + i), y: answer.errors, kind: "model" }],
    });
    const track = (places, j) => ({ x: places.map(place => placeOf(place, j)[0]), y: places.map(place => placeOf(place, j)[1]) });
    paths.draw({
      x: { low: 0, high: size }, y: { low: size, high: 0 },
      lines: [...every.flatMap(j => video.path ? [{ ...track(video.path, j), kind: "truth" }] : []),
              ...every.map(j => ({ ...track(answer.places, j), kind: "object", color: scene.colors[j] }))],
      dots: every.map(j => { const [x, y] = placeOf(answer.places[t], j); return { x, y, color: scene.colors[j] }; }),
    });
  };
  const later = curves();
  const moved = () => {
    const started = performance.now(), now = asked(), key = JSON.stringify([index, active, { ...now, [active]: 0 }]);
    answer = ask(now);
    said.textContent = `Squared error per predicted frame: ${pig.digits(answer.loss)} (as learned: ${pig.digits(learned)})`;
    if (known.key !== key) { // while its own slider moves, a curve stays as it is
      known = { key };
      later(sliders[active], value => ask({ ...now, [active]: value }).loss, line => { known.line = line; drawCurve(); });
    }
    drawCurve();
    show(clock.frame);
    root.dataset.milliseconds = (performance.now() - started).toFixed(1); // of this move, for measurements
  };
  const reset = () => { for (const slider of Object.values(sliders)) slider.set(slider.start); moved(); };
  const open = chosen => {
    [index, video, bytes] = [chosen, videos[chosen], sheets[chosen]];
    ask = asking(scene, paint, video, bytes);
    learned = ask(Object.fromEntries(Object.entries(sliders).map(([name, slider]) => [name, slider.start]))).loss;
    moved();
  };
  const clock = pig.clock({ frames, parts: scene.parts, labels: scene.labels, start: input, show });
  root.append(
    pig.make("div", { class: "pig-tools" }, pig.choice("video", videos.map(each => each.name), open),
             pig.make("button", { type: "button", click: reset }, "as learned")),
    pig.make("div", { class: "pig-row" }, ...Object.values(panels).map(panel => panel.node)), clock.node,
    pig.make("div", { class: "pig-sliders" }, ...Object.values(sliders).map(slider => slider.node)), said,
    pig.make("div", { class: "pig-charts" }, curve.svg, decay.svg, paths.svg),
  );
  pig.keys(root, clock);
  root.pig = { asked, get answer() { return answer; } };
  open(0);
};

/** @param scene  as of pig.whatif, with one video; constant, the one to be found; from, where it starts; said, texts */
pig.opening = async (root, scene) => {
  const { size, frames, constant, said, videos: [video] } = scene, area = 4 * size * size, visited = [];
  const bytes = await pig.frames(video.sheet), ask = asking(scene, pig.painter(scene.look), video, bytes);
  const others = Object.fromEntries(scene.sliders.map(slider => [slider.name, slider.value]));
  const about = scene.sliders.find(slider => slider.name === constant);
  const answerAt = value => ask({ ...others, [constant]: value });
  const screen = pig.panel("orange: the video, blue: the prediction, white: both", size, size,
                           "the video in orange, the prediction over it in blue, white where they agree");
  const chart = pig.chart({ title: `loss for each ${constant} that you tried`, xlabel: about.label, ylabel: "loss per frame",
                            label: `loss against ${constant}, a dot for each value that you tried`,
                            picked: x => { slider.set(x); moved(); } });
  const verdict = pig.make("p", { class: "pig-said", role: "status" });
  let answer, line = null;
  const show = t => {
    if (answer) pig.put(screen.canvas, pig.overlay(bytes.subarray(t * area, (t + 1) * area), answer.image(t)), size);
  };
  const moved = () => {
    answer = answerAt(slider.value);
    if (visited.length < 400) visited.push({ x: slider.value, y: answer.loss, small: true });
    chart.draw({
      x: about, y: { low: scene.least, high: scene.most, log: true }, lines: line ? [line] : [],
      marks: line ? [{ x: scene.truth[constant], name: "true" }] : [], dots: [...visited, { x: slider.value, y: answer.loss }],
    });
    show(clock.frame);
  };
  const slider = pig.slider({ ...about, value: scene.from, moved });
  const reveal = pig.make("button", { type: "button", click: () => {
    verdict.textContent = said.answer.replace("{yours}", pig.digits(slider.value));
    curves()(slider, value => answerAt(value).loss, found => { line = found; moved(); });
  } }, "show what the model measured");
  const clock = pig.clock({ frames, parts: scene.parts, labels: scene.labels, plays: true, show });
  root.append(
    pig.make("p", {}, said.task),
    pig.make("div", { class: "pig-two" }, pig.make("div", {}, screen.node, clock.node),
             pig.make("div", { class: "pig-sliders" }, slider.node, chart.svg, reveal, verdict)),
  );
  pig.keys(root, clock);
  root.pig = { slider, get answer() { return answer; } };
  moved();
};

// What if the spring were stiffer? The reader asks, this page answers: no kernel, see laws.js and draw.js.
"use strict";
window.pig ??= {};

/** A video as asked: places and errors of the predicted frames, and the loss. Each frame, once painted, is `shown(t)`. */
pig.answer = ({ input, frames, channels, size, ...scene }, draw, video, bytes, asked, shown = () => {}) => {
  const area = size * size, places = pig.rollout({ size, ...scene }, video, asked, frames - input);
  video.empty ??= Float64Array.from({ length: frames }, (_, t) => pig.error(draw.empty, bytes, 4 * t * area, channels, area));
  const errors = places.map((place, i) => {
    draw.paint(place);
    shown(input + i);
    return draw.error(bytes, 4 * (input + i) * area, video.empty[input + i]);
  });
  return { places, errors, loss: errors.reduce((a, b) => a + b, 0) / errors.length };
};

/** Where the objects are in frame t: input frames are reconstructed, whatever is asked. */
pig.placeAt = ({ input }, video, answer, t) => t < input ? video.seen[t] : answer.places[t - input];

/** Do `tasks`, {next, count, job(i)} each, in turn and without holding the page up, and `report` now and then. */
pig.idle = () => {
  let current = 0;
  return (tasks, report) => {
    const mine = ++current;
    let last = performance.now();
    const work = () => {
      if (mine !== current) return;
      const until = performance.now() + 8;
      let task;
      while ((task = tasks.find(({ next, count }) => next < count)) && performance.now() < until) task.job(task.next++);
      if (task) setTimeout(work);
      if (task && performance.now() < last + 300) return;
      last = performance.now();
      report();
    };
    setTimeout(work, 60); // first whatever the reader is doing
  };
};

pig.whatif = async (root, scene) => {
  if (!(scene.law in pig.laws)) {
    root.append(`The law ${scene.law} is not written in JavaScript: it can be asked in explore.ipynb, not on a page.`);
    return;
  }
  const { size, input, frames, channels, videos, map: [across, upward] } = scene, area = size * size;
  const draw = pig.drawer(scene.look);
  const truthOf = await Promise.all(videos.map(video => pig.frames(video.sheet)));
  let index = 0, answer, video, bytes, active = scene.sliders[0].name, known, seen, image, mapped, learnedLoss, visible = false;
  const panels = Object.fromEntries(["truth", "prediction", "difference"].map(name =>
    [name, pig.panel(name, size, size, `${name} of the chosen frame of ${scene.title}`)]));
  const columns = pig.evenly(frames, 10);
  const strip = pig.make("canvas", {
    width: columns.length * (size + 2) - 2, height: 2 * size + 2, class: "pig-strip", role: "img",
    "aria-label": "truth above, prediction below, at evenly spaced frames; press one to go there",
    click: event => clock.step(columns[Math.floor(columns.length * event.offsetX / strip.clientWidth)]),
  });
  const cursor = pig.make("div", { class: "pig-cursor", style: `width:${100 * size / strip.width}%` });
  const sliders = Object.fromEntries(scene.sliders.map(about =>
    [about.name, pig.slider({ ...about, moved: () => { active = about.name; ask(); } })]));
  const curveKey = () => JSON.stringify([index, active, { ...asked(), [active]: 0 }]);
  const asked = () => Object.fromEntries(Object.entries(sliders).map(([name, slider]) => [name, slider.value]));
  const curve = pig.chart({
    title: "loss along the slider moved last", label: "loss of this video along one slider, with a dot where it stands",
    xlabel: "", ylabel: "loss per frame", picked: x => { sliders[active].set(x); ask(); },
  });
  const map = pig.chart({
    title: "dark: small loss; drag the dot", xlabel: sliders[across].label, ylabel: sliders[upward].label,
    label: `map of the loss over ${across} and ${upward}, dark where it is small; the arrow keys move the dot`,
    both: true, picked: (x, y) => { sliders[across].set(x); sliders[upward].set(y); ask(); },
  });
  map.svg.setAttribute("tabindex", 0);
  map.svg.addEventListener("keydown", event => {
    const way = { ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowDown: [upward, -1], ArrowUp: [upward, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    sliders[way[0]].move(2 * way[1]);
  });
  const decay = pig.chart({ title: "error of each frame", label: "image error over the predicted frames, with the chosen frame",
                            xlabel: "frame", ylabel: "squared error", picked: x => clock.step(Math.round(x) - 1) });
  const paths = pig.chart({ title: "paths", label: "true paths and those asked for", xlabel: "x in pixels", ylabel: "y in pixels", square: true,
                            picked: (x, y) => clock.step(pig.nearestPlace(allPlaces(), scene.objects, x, y)) });
  const said = pig.make("p", { class: "pig-said" });
  const picture = new Uint8ClampedArray(4 * area); // of one predicted frame: used again for each
  const predicted = t => {
    draw.paint(pig.placeAt(scene, video, answer, t));
    return draw.bytes(picture);
  };
  const truth = t => bytes.subarray(4 * t * area, 4 * (t + 1) * area);

  const show = t => {
    if (!answer) return;
    const [first, second] = [truth(t), predicted(t)];
    pig.put(panels.truth.canvas, first, size);
    pig.put(panels.prediction.canvas, second, size);
    pig.put(panels.difference.canvas, pig.difference(first, second, 3), size);
    cursor.style.left = `${100 * pig.nearest(columns, t) * (size + 2) / strip.width}%`;
    drawCharts(t);
  };
  const film = t => { // what was painted last
    if (columns.includes(t)) pig.put(strip, draw.bytes(picture), size, columns.indexOf(t) * (size + 2), size + 2);
  };
  const allPlaces = () => [...video.seen, ...answer.places];
  const drawCharts = t => {
    const xs = answer.errors.map((_, i) => input + 1 + i);
    decay.draw({
      x: { low: 1, high: frames }, y: pig.limits(answer.errors), marks: [{ x: t + 1 }],
      bands: scene.parts.filter(part => part.name === "predicted").map(({ from, to }) => ({ from: from + 1, to })),
      lines: [{ x: xs, y: answer.errors, kind: "model" }],
    });
    const track = (list, j, numbers) => ({ x: list.map(at => at[j * numbers]), y: list.map(at => at[j * numbers + 1]) });
    const all = allPlaces(), numbers = at => at.length / scene.objects;
    const every = Array.from({ length: scene.objects }, (_, j) => j);
    paths.draw({
      x: { low: 0, high: size }, y: { low: size, high: 0 },
      lines: [
        ...every.flatMap(j => video.path ? [{ ...track(video.path, j, 2), kind: "truth" }] : []),
        ...every.map(j => ({ ...track(all, j, numbers(all[0])), kind: "object", color: scene.colors[j] })),
      ],
      dots: every.map(j => ({ color: scene.colors[j], x: all[t][j * numbers(all[t])], y: all[t][j * numbers(all[t]) + 1] })),
    });
    const { low, high, log } = sliders[active], line = known?.key === curveKey() && known.next === known.count ? known : null;
    curve.name(sliders[active].label);
    curve.draw({
      x: { low, high, log }, y: pig.limits([...(line?.y ?? []), answer.loss], true),
      lines: line ? [{ x: line.x, y: line.y, kind: "model" }] : [], dots: [{ x: sliders[active].value, y: answer.loss }],
      marks: active in scene.truth ? [{ x: scene.truth[active], name: "true" }] : [],
    });
    const ranges = [across, upward].map(name => ({ low: sliders[name].low, high: sliders[name].high, log: sliders[name].log }));
    map.draw({ x: ranges[0], y: ranges[1], image, faded: mapped !== seen?.key, dots: [{ x: sliders[across].value, y: sliders[upward].value }],
               marks: scene.truth[across] ? [{ x: scene.truth[across] }, ...scene.truth[upward] ? [{ y: scene.truth[upward] }] : []] : [] });
  };
  const learned = asked();
  const lossOf = values => pig.answer(scene, draw, video, bytes, values).loss;
  const behind = pig.idle();
  const curveTask = (key, now, slider, name) => {
    const task = { key, next: 0, count: 25, x: [], y: [] };
    task.job = i => {
      task.x.push(slider.at(i * slider.steps / 24));
      task.y.push(lossOf({ ...now, [name]: task.x[i] }));
    };
    return task;
  };
  const mapTask = (key, now) => {
    const side = scene.cells, task = { key, next: 0, count: side * side, losses: new Float64Array(side * side).fill(NaN) };
    const value = (name, cell) => sliders[name].at((cell + 0.5) * sliders[name].steps / side);
    task.job = step => {
      const i = 97 * step % task.count; // all over the map, so that its shape is seen early
      const [x, y] = [value(across, i % side), value(upward, side - 1 - Math.floor(i / side))];
      task.losses[i] = Math.log(lossOf({ ...now, [across]: x, [upward]: y }));
    };
    return task;
  };
  const explore = () => { // the curve first, then the map; what is known stays, what was begun goes on
    const now = asked();
    const [one, other] = [curveKey(), JSON.stringify([index, { ...now, [across]: 0, [upward]: 0 }])];
    if (known?.key !== one) known = curveTask(one, now, sliders[active], active);
    if (seen?.key !== other) seen = mapTask(other, now);
    if (!visible || (known.next === known.count && seen.next === seen.count)) return;
    behind([known, seen], () => {
      mapped = seen.key;
      image = pig.heatmap(seen.losses, scene.cells);
      drawCharts(clock.frame);
    });
  };
  const ask = () => {
    const started = performance.now();
    answer = pig.answer(scene, draw, video, bytes, asked(), film);
    said.textContent = `Squared error per predicted frame: ${pig.digits(answer.loss)} (as learned: ${pig.digits(learnedLoss)})`;
    show(clock.frame);
    root.dataset.milliseconds = (performance.now() - started).toFixed(1); // of this move, for who measures it
    explore();
  };
  const reset = () => { for (const slider of Object.values(sliders)) slider.set(slider.start); ask(); };
  const open = chosen => {
    [index, video, bytes] = [chosen, videos[chosen], truthOf[chosen]];
    learnedLoss = lossOf(learned);
    columns.forEach((t, i) => pig.put(strip, truth(t), size, i * (size + 2), 0));
    video.seen.forEach((place, t) => { draw.paint(place); film(t); });
    ask();
  };
  const clock = pig.clock({ frames, parts: scene.parts, labels: scene.labels, group: scene.group, start: input, show });
  root.append(
    pig.make("div", { class: "pig-tools" }, pig.choice("video", videos.map(each => each.name), open),
             pig.make("button", { type: "button", click: reset }, "as learned")),
    pig.make("div", { class: "pig-row" }, ...Object.values(panels).map(panel => panel.node)), clock.node,
    pig.make("div", { class: "pig-sliders" }, ...Object.values(sliders).map(slider => slider.node)), said,
    pig.make("div", { class: "pig-heading" }, "truth (above) and prediction (below); press a frame to go there"),
    pig.make("div", { class: "pig-film" }, strip, cursor),
    pig.make("div", { class: "pig-charts" }, curve.svg, map.svg, decay.svg, paths.svg),
  );
  root.tabIndex = 0;
  pig.keys(root, clock);
  root.pig = { asked, sliders, predicted, get answer() { return answer; }, get mapped() { return seen.next === seen.count; } };
  open(0);
  new IntersectionObserver(([{ isIntersecting }]) => { visible = isIntersecting; explore(); }).observe(root);
};

/** Which of some numbers is nearest to `value`. */
pig.nearest = (numbers, value) =>
  numbers.reduce((best, number, i) => Math.abs(number - value) < Math.abs(numbers[best] - value) ? i : best, 0);

/** In which frame some object is nearest to a point; places as of pig.rollout, with as many numbers for each object. */
pig.nearestPlace = (places, objects, x, y) => pig.nearest(places.map(at => {
  const numbers = at.length / objects;
  return Math.min(...Array.from({ length: objects }, (_, j) => Math.hypot(at[j * numbers] - x, at[j * numbers + 1] - y)));
}), 0);

/** `count` evenly spaced ones of the numbers below `n`. */
pig.evenly = (n, count) => Array.from({ length: Math.min(n, count) }, (_, i) => Math.round(i * (n - 1) / (Math.min(n, count) - 1)));

/** Numbers on a square grid as a picture; empty where there is none yet. */
pig.heatmap = (values, side) => {
  const canvas = pig.make("canvas", { width: side, height: side }), bytes = new Uint8ClampedArray(4 * side * side);
  const known = values.filter(Number.isFinite), low = Math.min(...known), span = Math.max(...known) - low || 1;
  values.forEach((value, p) => { if (!isNaN(value)) bytes.set([...pig.heat((value - low) / span), 255], 4 * p); });
  pig.put(canvas, bytes, side);
  return canvas.toDataURL();
};

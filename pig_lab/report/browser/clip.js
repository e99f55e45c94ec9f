// What if a filmed pendulum were longer? The reader asks, the law answers over the clip itself: see cliplaws.js.

/**
 * @param scene  law; numbers, as fitted, by name; times, seconds from the law's zero, of the frames shown; track, [x, y]
 *               of the object in each, in pixels of the clip's file; sheet, these frames below one another; width, height of each;
 *               scale and shift, with which file pixels become those of a frame; radius of the ring, frame pixels;
 *               sliders as of pig.slider, each with names, those of the numbers that it sets, or, if it is a factor, multiplies
 */
pig.clip = async (root, scene) => {
  if (!(scene.law in pig.clipLaws)) {
    root.append(`The law ${scene.law} is not written in JavaScript: a page cannot ask it.`);
    return;
  }
  const { width, height, times, track, numbers, labels } = scene, law = pig.clipLaws[scene.law], frames = times.length;
  const sheet = new Image();
  sheet.src = scene.sheet;
  await sheet.decode();
  const screen = pig.panel("white: the track, blue: the law as asked", width, height, "a frame of the clip with the track and the path asked for");
  const pen = screen.canvas.getContext("2d"), said = pig.make("p", { class: "pig-said" });
  let active = scene.sliders[0].label, path;
  const sliders = Object.fromEntries(scene.sliders.map(about =>
    [about.label, pig.slider({ ...about, moved: () => { active = about.label; ask(); } })]));
  const valuesOf = changed => {
    const now = { ...numbers };
    for (const { label, names, factor } of scene.sliders) {
      const value = changed[label] ?? sliders[label].value;
      for (const name of names) now[name] = factor ? value * numbers[name] : value;
    }
    return now;
  };
  const offOf = places => places.map(([x, y], t) => Math.hypot(x - track[t][0], y - track[t][1]));
  const rmsOf = off => Math.sqrt(off.reduce((sum, d) => sum + d * d, 0) / off.length);
  const fitted = rmsOf(offOf(law(numbers, times)));
  const place = ([x, y]) => [x * scene.scale[0] + scene.shift[0], y * scene.scale[1] + scene.shift[1]];
  const line = (points, color, thick) => {
    pen.beginPath();
    points.map(place).forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y));
    [pen.strokeStyle, pen.lineWidth] = [color, thick];
    pen.stroke();
  };
  const curve = pig.chart({ title: "distance along the slider moved last", xlabel: "", ylabel: "pixels, rms",
                            label: "distance of path and track along one slider, with a dot where it stands",
                            picked: x => { sliders[active].set(x); ask(); } });
  const decay = pig.chart({ title: "distance in each frame", label: "distance of path and track in each frame", xlabel: "seconds",
                            ylabel: "pixels", picked: x => clock.step(pig.nearest(times, x + times[0])) });
  const show = t => {
    if (!path) return;
    pen.drawImage(sheet, 0, t * height, width, height, 0, 0, width, height);
    line(track, "#fff", 3);
    line(path, "#0072b2", 2);
    for (const [color, thick] of [["#fff", 4], ["#0072b2", 2]]) {
      pen.beginPath();
      pen.arc(...place(path[t]), scene.radius, 0, 2 * Math.PI);
      [pen.strokeStyle, pen.lineWidth] = [color, thick];
      pen.stroke();
    }
    const off = offOf(path), seconds = times.map(time => time - times[0]);
    decay.draw({ x: { low: 0, high: seconds.at(-1) }, y: pig.limits(off), marks: [{ x: seconds[t] }],
                 lines: [{ x: seconds, y: off, kind: "model" }] });
  };
  const ask = () => {
    const started = performance.now();
    path = law(valuesOf({}), times);
    const slider = sliders[active], rms = rmsOf(offOf(path));
    const x = Array.from({ length: 41 }, (_, i) => slider.at(i * slider.steps / 40));
    const y = x.map(value => rmsOf(offOf(law(valuesOf({ [active]: value }), times))));
    curve.name(active);
    curve.draw({ x: slider, y: pig.limits([...y, rms], true), lines: [{ x, y, kind: "model" }],
                 marks: [{ x: slider.start, name: "fitted" }], dots: [{ x: slider.value, y: rms }] });
    said.textContent = `Distance between path and track: ${pig.digits(rms)} pixels rms (as fitted: ${pig.digits(fitted)})`;
    show(clock.frame);
    root.dataset.milliseconds = (performance.now() - started).toFixed(1); // of this move, for who measures it
  };
  const reset = () => { for (const slider of Object.values(sliders)) slider.set(slider.start); ask(); };
  const clock = pig.clock({ frames, labels, pause: scene.pause, plays: true, show });
  root.append(
    pig.make("div", { class: "pig-two" }, pig.make("div", {}, screen.node, clock.node,
      pig.make("div", { class: "pig-tools" }, pig.make("button", { type: "button", click: reset }, "as fitted"))),
      pig.make("div", {}, pig.make("div", { class: "pig-sliders" }, ...Object.values(sliders).map(slider => slider.node)), said)),
    pig.make("div", { class: "pig-charts" }, curve.svg, decay.svg),
  );
  root.tabIndex = 0;
  pig.keys(root, clock);
  root.pig = { asked: () => valuesOf({}), get path() { return path; } };
  ask();
};

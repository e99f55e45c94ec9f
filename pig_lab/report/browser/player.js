// Videos that stand in the page itself, and the replay of a training.

/**
 * @param data  videos: [{name, sheets: [url, ...]}], each sheet an image with all frames below one another; headings of
 *              the sheets; width, height; labels of the frames; parts, see pig.clock; caption; pause; compares: the
 *              first sheet is the truth, the second a prediction.
 */
pig.player = (root, data) => {
  const { width, height, headings, videos, compares } = data, views = ["side by side", "over one another"];
  const panels = (compares ? [...headings, "difference"] : headings).map(title =>
    pig.panel(title, width, height, `${title || "video"}: ${data.caption}`));
  let bytes = null, over = false, latest = 0;
  const show = frame => {
    if (!bytes) return;
    const now = bytes.map(all => all.subarray(frame * width * height * 4, (frame + 1) * width * height * 4));
    now.forEach((image, i) => pig.put(panels[i].canvas, image, width));
    if (compares) pig.put(panels[2].canvas, pig.difference(...now), width);
    if (over) pig.put(panels[0].canvas, pig.overlay(...now), width);
  };
  const clock = pig.clock({ ...data, frames: data.labels.length, plays: true, show });
  const load = async index => {
    const mine = ++latest, read = await Promise.all(videos[index].sheets.map(pig.frames));
    if (mine !== latest) return; // another video was chosen meanwhile
    bytes = read;
    root.pig = { loaded: index };
    clock.again();
  };
  const tools = pig.make("div", { class: "pig-tools" });
  if (videos.length > 1) tools.append(pig.choice("video", videos.map(video => video.name), load));
  if (compares) {
    tools.append(pig.choice("view", views, index => {
      over = index === 1;
      panels[1].node.hidden = over;
      panels[0].node.firstChild.textContent = over ? "orange: truth, blue: prediction" : headings[0];
      clock.again();
    }));
  }
  root.append(pig.make("div", { class: "pig-row" }, ...panels.map(panel => panel.node)), clock.node, tools,
    pig.make("figcaption", {}, data.caption));
  pig.keys(root, clock);
  return load(0);
};

/**
 * @param data  panels: [{title, sheet, width, height, at}], `at` says which image of the sheet each moment shows;
 *              constants: [{name, values, truth, color}]; labels of the moments; parts, see pig.clock.
 */
pig.replay = async (root, data) => {
  const { constants, labels, parts } = data, last = labels.length - 1;
  const panels = data.panels.map(about => ({ ...about, ...pig.panel(about.title, about.width, about.height, about.title) }));
  const sheets = await Promise.all(panels.map(panel => pig.frames(panel.sheet)));
  const chart = pig.chart({ title: "constants (dashed: true)", label: "The constants over the training",
                            xlabel: "moment of the training", ylabel: "" });
  const words = pig.make("div", { class: "pig-said" });
  const highest = Math.max(1, ...constants.flatMap(constant => [...constant.values, constant.truth ?? 0]));
  const show = moment => {
    panels.forEach(({ canvas, width, height, at }, i) => {
      const size = 4 * width * height;
      pig.put(canvas, sheets[i].subarray(at[moment] * size, (at[moment] + 1) * size), width);
    });
    words.replaceChildren(...constants.map(({ name, values, truth, color }) => pig.make("span", { class: "pig-constant" },
      pig.make("span", { class: "pig-key", style: `background:${color}` }),
      `${name} = ${pig.digits(values[moment])}${truth === null ? "" : ` (true ${truth})`}`)));
    chart.draw({
      x: { low: 0, high: last }, y: { low: 0, high: 1.1 * highest },
      bands: parts.filter((_, i) => i % 2).map(({ from, to }) => ({ from: from - 0.5, to: to - 0.5 })),
      lines: constants.map(({ values, color }) => ({ x: labels.keys(), y: values, kind: "model", color })),
      marks: [...constants.filter(({ truth }) => truth !== null).map(({ truth }) => ({ y: truth })), { x: moment }],
      dots: constants.map(({ values, color }) => ({ x: moment, y: values[moment], color })),
    });
  };
  const clock = pig.clock({ frames: labels.length, parts, labels, name: "moment of the training", pause: 180, show });
  root.append(pig.make("div", { class: "pig-row pig-six" }, ...panels.map(panel => panel.node)), clock.node, words,
    ...constants.length ? [chart.svg] : [], pig.make("figcaption", {}, data.caption));
  pig.keys(root, clock);
};

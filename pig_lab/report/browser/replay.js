// A training to be scrubbed through: pictures that change, and the constants on their way.
"use strict";
window.pig ??= {};

/**
 * @param data  given: [{title, sheet, width, height}] that stay; panels: the same with `at`, which of the sheet's pictures
 *              each moment shows; constants: [{name, values, truth, color}]; labels of the moments; parts, see pig.clock.
 */
pig.replay = async (root, data) => {
  const { given, panels, constants, labels, parts } = data, last = labels.length - 1;
  const all = [...given, ...panels].map(about => ({ ...about, ...pig.panel(about.title, about.width, about.height, about.title) }));
  const chart = pig.chart({ title: "constants (dashed: true)", label: "The constants over the training", xlabel: "moment of the training",
                            ylabel: "" });
  const words = pig.make("div", { class: "pig-said" });
  const highest = Math.max(1, ...constants.flatMap(constant => [...constant.values, constant.truth ?? 0]));
  const sheets = await Promise.all(all.map(panel => pig.frames(panel.sheet)));
  const show = moment => {
    all.forEach(({ canvas, width, height, at }, i) => {
      const size = 4 * width * height, first = at ? at[moment] * size : 0;
      pig.put(canvas, sheets[i].subarray(first, first + size), width);
    });
    words.replaceChildren(...constants.map(({ name, values, truth, color }) => pig.make("span", { style: "margin-right:1.2em" },
      pig.make("span", { class: "pig-key", style: `background:${color}` }),
      `${name} = ${pig.digits(values[moment])}${truth === null ? "" : ` (true ${truth})`}`)));
    if (!constants.length) return;
    chart.draw({
      x: { low: 0, high: last }, y: { low: 0, high: 1.1 * highest },
      bands: parts.filter((_, i) => i % 2).map(({ from, to }) => ({ from: from - 0.5, to: to - 0.5 })),
      lines: constants.map(({ values, color }) => ({ x: labels.keys(), y: values, kind: "model", color })),
      marks: [...constants.filter(({ truth }) => truth !== null).map(({ truth }) => ({ y: truth })), { x: moment }],
      dots: constants.map(({ values, color }) => ({ x: moment, y: values[moment], color })),
    });
  };
  const clock = pig.clock({ frames: labels.length, parts, labels, pause: 180, show });
  clock.node.querySelector("input").setAttribute("aria-label", "moment of the training");
  root.append(pig.make("div", { class: "pig-row pig-six" }, ...all.map(panel => panel.node)), clock.node, words,
    ...constants.length ? [chart.svg] : [], pig.make("figcaption", {}, data.caption));
  root.tabIndex = 0;
  pig.keys(root, clock);
  clock.put(0);
};

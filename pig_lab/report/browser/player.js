// A player of videos that stand in the page: beside one another, over one another, wiped, or their difference.
"use strict";
window.pig ??= {};

/** Title above, canvas below. */
pig.panel = (title, width, height, label) => {
  const canvas = pig.make("canvas", { width, height, role: "img", "aria-label": label });
  return { canvas, node: pig.make("div", { class: "pig-panel" }, pig.make("div", { class: "pig-heading" }, title), canvas) };
};

/**
 * @param data  videos: [{name, pictures: [url, ...]}], each a picture with all frames below one another; headings of
 *              the pictures; width, height; labels of the frames; parts, see pig.clock; caption; pause; compares: the
 *              first picture is the truth, the second a prediction.
 */
pig.player = (root, data) => {
  const { width, height, headings, videos, compares } = data;
  const shown = compares ? [...headings, "difference"] : headings;
  const panels = shown.map(title => pig.panel(title, width, height, `${title || "video"}: ${data.caption}`));
  const row = pig.make("div", { class: "pig-row" }, ...panels.map(panel => panel.node));
  let bytes = null, view = "beside", gain = 3, edge = 0.5, latest = 0;
  const show = frame => {
    if (!bytes) return;
    const now = bytes.map(all => all.subarray(frame * width * height * 4, (frame + 1) * width * height * 4));
    now.forEach((picture, i) => pig.put(panels[i].canvas, picture, width));
    if (!compares) return;
    pig.put(panels[2].canvas, pig.difference(...now, gain), width);
    if (view === "over one another") pig.put(panels[0].canvas, pig.overlay(...now), width);
    if (view === "wiped") pig.put(panels[0].canvas, pig.wiped(...now, width, edge), width);
  };
  const clock = pig.clock({ ...data, frames: data.labels.length, plays: true, show });
  const load = async index => {
    const mine = ++latest, read = await Promise.all(videos[index].pictures.map(pig.frames));
    if (mine !== latest) return; // another video was chosen meanwhile
    bytes = read;
    root.pig = { loaded: index };
    clock.again();
  };
  const tools = pig.make("div", { class: "pig-tools" });
  if (videos.length > 1) tools.append(pig.choice("video", videos.map(video => video.name), load));
  if (compares) {
    const wipe = pig.slider({ label: "edge", low: 0, high: 1, value: edge, moved: value => { edge = value; clock.again(); } });
    const gains = pig.slider({ label: "gain of the difference", low: 1, high: 10, steps: 18, value: gain,
                               moved: value => { gain = value; clock.again(); } });
    wipe.node.hidden = true;
    tools.append(pig.choice("view", ["beside", "over one another", "wiped"], index => {
      view = ["beside", "over one another", "wiped"][index];
      wipe.node.hidden = view !== "wiped";
      panels[1].node.hidden = view !== "beside";
      panels[0].node.firstChild.textContent = {
        beside: headings[0], "over one another": "orange: truth, blue: prediction", wiped: "left: truth, right: prediction",
      }[view];
      clock.again();
    }), wipe.node, gains.node);
  }
  root.append(row, clock.node, ...tools.children.length ? [tools] : [], pig.make("figcaption", {}, data.caption));
  root.tabIndex = 0;
  root.setAttribute("aria-label", data.caption);
  pig.keys(root, clock);
  return load(0);
};

// Asked and drawn: where the authors' placement puts an object that is asked for at a position.
"use strict";
window.pig ??= {};

/** Where the middle of a template is drawn, in pixels from the edge of the picture; asked for at `position`. */
pig.drawnAt = (placement, position, sigma, size, side) => {
  const [first, change] = pig.placements[placement](position, sigma, size, side);
  return ((side - 1) / 2 - first) / change + 0.5; // pixel i has its middle at i + 1/2
};

/** A sheet (side, side), bilinearly interpolated and 0 outside, as a picture (size, size); taps for each axis. */
const placeSheet = (sheet, side, size, across, down, out) => {
  const wide = side + 2, padded = pig.bordered(sheet, 1, side);
  out.fill(0);
  for (let row = down.from; row < down.to; row++) {
    for (let column = across.from; column < across.to; column++) {
      const at = (down.low[row] + 1) * wide + across.low[column] + 1, line = i => across.here[column] * padded[i] + across.next[column] * padded[i + 1];
      out[row * size + column] = down.here[row] * line(at) + down.next[row] * line(at + wide);
    }
  }
};

/** @param data  sizes to choose from; size, the one to begin with; radius of the discs; sigma; positions as shares */
pig.coordinates = (root, data) => {
  const { radius, sigma } = data;
  const asked = data.positions.map(position => [...position]); // shares of the picture's side: kept when it changes
  let size = data.size, placement = "released", held = 0;
  const wide = 360, canvas = pig.make("canvas", {
    width: wide, height: wide, class: "pig-drag pig-both", tabindex: 0, role: "application",
    "aria-label": "two discs; drag one, or press space to choose one and the arrow keys to move it",
  });
  const said = pig.make("p", { class: "pig-said" }), pen = canvas.getContext("2d");
  const small = pig.make("canvas", {});
  const disc = side => { // antialiased, in a template of `side` pixels
    const reach = radius * sigma * side / size, middle = (side - 1) / 2;
    return Float64Array.from({ length: side * side }, (_, i) =>
      Math.min(Math.max(reach + 0.5 - Math.hypot(i % side - middle, Math.floor(i / side) - middle), 0), 1));
  };
  const draw = () => {
    const side = size / 2, sheet = disc(side), pixels = asked.map(at => at.map(share => share * size));
    const picture = new Float64Array(3 * size * size), layer = new Float64Array(size * size);
    pixels.forEach((at, j) => {
      const axes = at.map(x => pig.taps(pig.placements[placement](x, sigma, size, side), side, size, true, pig.axis(size)));
      placeSheet(sheet, side, size, ...axes, layer);
      layer.forEach((value, p) => [0, 1, 2].forEach(c => { picture[c * size * size + p] += data.colors[j][c] * value; }));
    });
    small.width = small.height = size;
    pig.put(small, pig.bytes(picture, 3, size * size), size);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, wide, wide);
    const scale = wide / size, drawn = pixels.map(at => at.map(x => pig.drawnAt(placement, x, sigma, size, side)));
    const cross = ([x, y], color, turned) => {
      pen.strokeStyle = color;
      pen.lineWidth = 2;
      pen.beginPath();
      for (const [a, b] of turned ? [[6, 6], [6, -6]] : [[9, 0], [0, 9]]) {
        pen.moveTo(x * scale - a, y * scale - b);
        pen.lineTo(x * scale + a, y * scale + b);
      }
      pen.stroke();
    };
    pixels.forEach((at, j) => { cross(at, "#fff"); cross(drawn[j], "#f0e442", true); });
    const [long, seen] = [pixels, drawn].map(([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]));
    said.textContent = `White +: asked for. Yellow ×: the middle of what is drawn. Distance asked for ${long.toFixed(2)} px, ` +
      `drawn ${seen.toFixed(2)} px: for the picture to be right, positions must lie ${(long / seen || 1).toFixed(4)} times ` +
      `as far apart${placement === "released" ? ` (${size}/${size - 1} = ${(size / (size - 1)).toFixed(4)})` : ""}.`;
    root.pig = { asked: pixels, drawn, ratio: long / seen };
  };
  const put = (x, y) => {
    asked[held] = [x, y].map(share => Math.min(Math.max(share, 0), 1));
    draw();
  };
  const at = event => [event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight];
  canvas.addEventListener("pointerdown", event => {
    const [x, y] = at(event), far = asked.map(([a, b]) => Math.hypot(a - x, b - y));
    held = far[0] < far[1] ? 0 : 1;
    canvas.setPointerCapture(event.pointerId);
    put(x, y);
  });
  canvas.addEventListener("pointermove", event => { if (event.buttons) put(...at(event)); });
  canvas.addEventListener("keydown", event => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) put(...asked[held].map((share, i) => share + way[i] / (2 * size)));
    else if (event.key === " ") held = 1 - held;
    else return;
    event.preventDefault();
  });
  const names = Object.keys(pig.placements).reverse();
  root.append(
    pig.make("div", { class: "pig-tools" },
      pig.choice("placement", names, index => { placement = names[index]; draw(); }),
      pig.choice("side of the picture", data.sizes.map(each => `${each} pixels`), index => { size = data.sizes[index]; draw(); })),
    pig.make("div", { class: "pig-two" }, canvas, said),
  );
  root.querySelectorAll("select")[1].selectedIndex = data.sizes.indexOf(size);
  draw();
};

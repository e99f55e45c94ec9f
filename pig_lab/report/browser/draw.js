// The package's decoder (pig_core/decoder.py): learned templates, placed by their positions, over a background.
"use strict";
window.pig ??= {};

/** Which coordinate of a template a pixel shows, along one axis: [at pixel 0, change from pixel to pixel]. */
pig.placements = {
  exact: (position, sigma, size, side) => {
    const change = sigma * side / size;
    return [(0.5 - position) * change + side / 2 - 0.5, change];
  },
  released: (position, sigma, size, side) => {
    const half = (side - 1.01) / 2;
    return [((-1 + (size / 2 - position) / (size / 2)) * sigma + 1) * half, sigma * half * 2 / (size - 1)];
  },
};

/**
 * Which pixels along one axis show what lies between two pixels of a template, `first` and `last`, written into `out`:
 * the pixels from `from` to before `to`, and for each the template's pixel, its weight, and that of the next one.
 * A template goes on for a pixel beyond its edge, where it is 0, unless it is cut there.
 */
pig.taps = ([start, change], side, size, cut, out, first = 0, last = side - 1) => {
  const low = Math.max(first - 1, cut ? 0 : -1), high = Math.min(last + 1, cut ? side - 1 : side);
  out.from = Math.max(0, Math.ceil((low - start) / change));
  out.to = Math.min(size, Math.floor((high - start) / change) + 1);
  for (let pixel = out.from; pixel < out.to; pixel++) {
    const at = start + pixel * change, left = Math.min(Math.max(Math.floor(at), -1), side - 1);
    out.low[pixel] = left;
    out.here[pixel] = 1 + left - at;
    out.next[pixel] = at - left;
  }
  return out;
};

/** What pig.taps writes into. */
pig.axis = size => ({ from: 0, to: 0, low: new Int32Array(size), here: new Float64Array(size), next: new Float64Array(size) });

/** Planes (count, side, side) with a border of zeros, one pixel wide, as (count, side + 2, side + 2). */
pig.bordered = (planes, count, side) => {
  const wide = side + 2, out = new Float64Array(count * wide * wide);
  for (let row = 0; row < count * side; row++) {
    const plane = Math.floor(row / side);
    out.set(planes.subarray(row * side, (row + 1) * side), (plane * wide + row - plane * side + 1) * wide + 1);
  }
  return out;
};

/** Where between four pixels of a bordered plane (wide, wide) one of them is marked, and the box around all that are. */
const around = (marked, wide) => {
  const seen = new Uint8Array(wide * wide), box = { left: wide, top: wide, right: 0, bottom: 0 };
  marked.forEach((mark, at) => {
    if (!mark) return;
    const column = at % wide, row = (at - column) / wide;
    for (const before of [0, 1, wide, wide + 1]) seen[at - before] = 1;
    box.left = Math.min(box.left, column - 1);
    box.right = Math.max(box.right, column - 1);
    box.top = Math.min(box.top, row - 1);
    box.bottom = row - 1;
  });
  return { seen, box };
};

/**
 * What draws the places of all objects: `paint` them, then ask for the picture's `bytes` or its `error`.
 *
 * Only pixels that an object changes are computed, all others are the background's; every buffer is used again.
 *
 * @param look  sheets (objects, 1 + channels, side, side): mask logits above `outside`, and contents; background
 */
pig.drawer = look => {
  const { size, side, channels, objects, sigma, outside, behind } = look;
  const sheets = pig.floats(look.sheets), background = pig.floats(look.background), place = pig.placements[look.placement];
  const area = size * size, wide = side + 2, plane = wide * wide, length = (1 + channels) * side * side;
  const rest = Math.exp(behind), nothing = Math.exp(outside), most = rest + objects * nothing;
  const empty = background.map(value => value * rest / most); // (channels, size, size), where there is no object
  const level = 0.5 * rest / 255; // a weight that changes a pixel by half a grey level
  const models = Array.from({ length: objects }, (_, j) => {
    const sheet = pig.bordered(sheets.subarray(j * length, (j + 1) * length), 1 + channels, side);
    const marked = Uint8Array.from({ length: plane }, (_, at) => {
      const weight = Math.exp(outside + sheet[at]);
      let brightest = 0;
      for (let k = 1; k <= channels; k++) brightest = Math.max(brightest, sheet[k * plane + at]);
      return Math.max(Math.abs(weight - nothing), weight * brightest) > level;
    });
    return { sheet, ...around(marked, wide) };
  });
  const across = pig.axis(size), down = pig.axis(size);
  const middle = place(0, 0, size, side)[0]; // of the template, as in pig_core/decoder.py
  const total = new Float64Array(area), mixed = new Float64Array(channels * area);
  const touched = new Int32Array(area), painted = new Int32Array(area); // which pixels, and by which painting
  let count = 0, painting = 0;

  /** Mix into pixel p what a template shows at `at`, its four neighbours weighted with a to d. */
  const mix = ({ sheet, seen }, p, at, a, b, c, d) => {
    if (!seen[at]) return;
    if (painted[p] !== painting) { // the first object here
      painted[p] = painting;
      touched[count++] = p;
      total[p] = most;
      for (let i = p; i < channels * area; i += area) mixed[i] = rest * background[i];
    }
    const weight = Math.exp(outside + a * sheet[at] + b * sheet[at + 1] + c * sheet[at + wide] + d * sheet[at + wide + 1]);
    total[p] += weight - nothing;
    for (let i = p, from = at + plane; i < channels * area; i += area, from += plane) {
      mixed[i] += weight * (a * sheet[from] + b * sheet[from + 1] + c * sheet[from + wide] + d * sheet[from + wide + 1]);
    }
  };
  const straight = (model, x, y) => {
    const { box } = model;
    pig.taps(place(x, sigma, size, side), side, size, look.cut, across, box.left, box.right);
    pig.taps(place(y, sigma, size, side), side, size, look.cut, down, box.top, box.bottom);
    for (let row = down.from; row < down.to; row++) {
      const a = down.here[row], b = down.next[row], line = (down.low[row] + 1) * wide + 1;
      for (let column = across.from; column < across.to; column++) {
        const c = across.here[column], d = across.next[column];
        mix(model, row * size + column, line + across.low[column], a * c, a * d, b * c, b * d);
      }
    }
  };
  /** The same, turned about the template's middle by an angle, counterclockwise on the screen. */
  const turned = (model, x, y, angle) => {
    const { box } = model, cos = Math.cos(angle), sin = Math.sin(angle);
    const [left, perColumn] = place(x, sigma, size, side), [top, perRow] = place(y, sigma, size, side);
    const columns = [], rows = [], [low, high] = look.cut ? [0, side - 1] : [-1, side];
    for (const u of [box.left - 1 - middle, box.right + 1 - middle]) {
      for (const v of [box.top - 1 - middle, box.bottom + 1 - middle]) { // where the box's corners are drawn
        columns.push((u * cos + v * sin + middle - left) / perColumn);
        rows.push((v * cos - u * sin + middle - top) / perRow);
      }
    }
    const inside = numbers => [Math.max(0, Math.floor(Math.min(...numbers))), Math.min(size, Math.ceil(Math.max(...numbers)) + 1)];
    const [[first, end], [firstRow, endRow]] = [inside(columns), inside(rows)];
    for (let row = firstRow; row < endRow; row++) {
      for (let column = first; column < end; column++) {
        const u = left + column * perColumn - middle, v = top + row * perRow - middle;
        const i = u * cos - v * sin + middle, j = u * sin + v * cos + middle;
        if (!(i >= low && j >= low && i <= high && j <= high)) continue;
        const here = Math.min(Math.floor(i), side - 1), line = Math.min(Math.floor(j), side - 1), d = i - here, b = j - line;
        mix(model, row * size + column, (line + 1) * wide + here + 1, (1 - b) * (1 - d), (1 - b) * d, b * (1 - d), b * d);
      }
    }
  };
  /** Compute the pixels that places (objects * 2, or * 3 with an angle) touch; `bytes` and `error` read them. */
  const paint = places => {
    const numbers = places.length / objects;
    count = 0;
    painting++;
    for (let j = 0; j < objects; j++) {
      const at = j * numbers;
      if (numbers === 2) straight(models[j], places[at], places[at + 1]);
      else turned(models[j], places[at], places[at + 1], places[at + 2]);
    }
    for (let i = 0; i < count; i++) {
      for (let at = touched[i]; at < channels * area; at += area) mixed[at] /= total[touched[i]];
    }
  };
  const blank = pig.bytes(empty, channels, area), [green, blue] = channels === 3 ? [area, 2 * area] : [0, 0];
  /** What was painted last as bytes (size, size, 4). */
  const bytes = out => {
    out.set(blank);
    for (let i = 0; i < count; i++) {
      const p = touched[i];
      out[4 * p] = 255 * mixed[p];
      out[4 * p + 1] = 255 * mixed[p + green];
      out[4 * p + 2] = 255 * mixed[p + blue];
    }
    return out;
  };
  /** Squared error of what was painted last against a frame's bytes; `without` is that of the picture without objects. */
  const error = (frame, offset, without) => {
    let sum = without;
    for (let i = 0; i < count; i++) {
      for (let p = touched[i], at = p, byte = offset + 4 * p; at < channels * area; at += area, byte++) {
        const truth = frame[byte] / 255, off = mixed[at] - truth, before = empty[at] - truth;
        sum += off * off - before * before;
      }
    }
    return sum;
  };
  return { paint, bytes, error, empty };
};

/** Squared error of a picture (channels, size, size) in [0, 1] against bytes (size, size, 4), summed. */
pig.error = (picture, bytes, offset, channels, area) => {
  let sum = 0;
  for (let c = 0; c < channels; c++) {
    for (let p = 0; p < area; p++) {
      const off = picture[c * area + p] - bytes[offset + 4 * p + c] / 255;
      sum += off * off;
    }
  }
  return sum;
};

/** A picture (channels, size, size) in [0, 1] as bytes (size, size, 4). */
pig.bytes = (picture, channels, area, out = new Uint8ClampedArray(4 * area)) => {
  const [green, blue] = channels === 3 ? [area, 2 * area] : [0, 0];
  for (let p = 0, at = 0; p < area; p++, at += 4) {
    out[at] = 255 * picture[p];
    out[at + 1] = 255 * picture[p + green];
    out[at + 2] = 255 * picture[p + blue];
    out[at + 3] = 255;
  }
  return out;
};

/** Put bytes (height, width, 4) onto a canvas. */
pig.put = (canvas, bytes, width, x = 0, y = 0) =>
  canvas.getContext("2d").putImageData(new ImageData(bytes, width), x, y);

/** How to make a picture of two, all of bytes: `mix` writes the three colours of the pixel at p. */
const mixed = mix => (first, second, ...options) => {
  const out = new Uint8ClampedArray(first.length);
  for (let p = 0; p < first.length; p += 4) {
    mix(first, second, p, out, ...options);
    out[p + 3] = 255;
  }
  return out;
};

/** Their difference, `gain` times as bright. */
pig.difference = mixed((first, second, p, out, gain) => {
  for (let c = 0; c < 3; c++) out[p + c] = gain * Math.abs(first[p + c] - second[p + c]);
});

/** Both in one, the first in orange and the second in blue: where they agree it is white. */
pig.overlay = mixed((first, second, p, out) => {
  const a = Math.max(first[p], first[p + 1], first[p + 2]), b = Math.max(second[p], second[p + 1], second[p + 2]);
  out[p] = a;
  out[p + 1] = 0.55 * a + 0.45 * b;
  out[p + 2] = b;
});

/** The first left of a column of pixels, the second right of it. */
pig.wiped = mixed((first, second, p, out, width, edge) => {
  const from = (p / 4) % width < edge * width ? first : second;
  for (let c = 0; c < 3; c++) out[p + c] = from[p + c];
});

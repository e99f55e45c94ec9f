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

/** For every pixel along one axis: a template's pixel, its weight, and that of the next one; 0 outside. */
pig.taps = ([first, change], side, size, cut) => {
  const low = new Int32Array(size), here = new Float64Array(size), next = new Float64Array(size);
  for (let pixel = 0; pixel < size; pixel++) {
    const at = first + pixel * change, left = Math.floor(at);
    if (cut ? at < 0 || at > side - 1 : left < -1 || left >= side) continue;
    low[pixel] = Math.max(left, 0);
    if (left >= 0) [here[pixel], next[pixel]] = [1 + left - at, left + 1 < side ? at - left : 0];
    else here[pixel] = at - left; // the first pixel, from outside
  }
  return { low, here, next };
};

/** A sheet (side, side), bilinearly interpolated and 0 outside, as a picture (size, size); a step for each axis. */
pig.placeSheet = (sheet, side, size, across, down, out) => {
  const line = new Float64Array(side + 1); // one more than there are: weights of what is outside are 0
  for (let row = 0; row < size; row++) {
    const first = down.low[row] * side, a = down.here[row], b = down.next[row];
    for (let i = 0; i < side; i++) line[i] = a * sheet[first + i] + (b ? b * sheet[first + side + i] : 0);
    for (let column = 0; column < size; column++) {
      const left = across.low[column];
      out[row * size + column] = across.here[column] * line[left] + across.next[column] * line[left + 1];
    }
  }
};

/** The same for a sheet that is turned about its middle by an angle, counterclockwise on the screen. */
pig.turnSheet = (sheet, channels, side, size, x, y, angle, middle, out) => {
  const cos = Math.cos(angle), sin = Math.sin(angle);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const u = x[0] + column * x[1] - middle, v = y[0] + row * y[1] - middle;
      const across = u * cos - v * sin + middle, down = u * sin + v * cos + middle;
      const left = Math.floor(across), top = Math.floor(down);
      for (let j = top; j <= top + 1; j++) {
        for (let i = left; i <= left + 1; i++) {
          if (i < 0 || j < 0 || i >= side || j >= side) continue;
          const weight = (1 - Math.abs(across - i)) * (1 - Math.abs(down - j));
          for (let c = 0; c < channels; c++) {
            out[(c * size + row) * size + column] += weight * sheet[(c * side + j) * side + i];
          }
        }
      }
    }
  }
};

/**
 * What draws the places of all objects as a picture (channels, size, size) in [0, 1].
 *
 * @param look  sheets (objects, 1 + channels, side, side): mask logits above `outside`, and contents; background
 */
pig.drawer = look => {
  const { size, side, channels, objects, sigma, outside, behind } = look;
  const sheets = pig.floats(look.sheets), background = pig.floats(look.background);
  const area = size * size, template = side * side, place = pig.placements[look.placement];
  const length = (1 + channels) * template;
  const each = Array.from({ length: objects }, (_, j) => sheets.subarray(j * length, (j + 1) * length));
  const placed = each.map(() => new Float64Array((1 + channels) * area));
  const weight = new Float64Array(objects), rest = Math.exp(behind);
  const middle = place(0, 0, size, side)[0]; // of the template, as in pig_core/parts/turning.py
  const faint = behind - 8; // a mask that is fainter changes no pixel by a tenth of a grey level
  const straight = (sheet, x, y, out) => {
    const across = pig.taps(place(x, sigma, size, side), side, size, look.cut);
    const down = pig.taps(place(y, sigma, size, side), side, size, look.cut);
    pig.placeSheet(sheet, side, size, across, down, out);
    for (let p = 0; p < area; p++) { // contents only where they are seen
      if (out[p] + outside < faint) continue;
      const row = Math.floor(p / size), column = p - row * size, b = down.next[row], d = across.next[column];
      const from = template + down.low[row] * side + across.low[column], a = down.here[row], c = across.here[column];
      for (let k = 0; k < channels; k++) {
        const at = from + k * template;
        let value = a * c * sheet[at];
        if (d) value += a * d * sheet[at + 1];
        if (b) value += b * c * sheet[at + side];
        if (b && d) value += b * d * sheet[at + side + 1];
        out[(k + 1) * area + p] = value;
      }
    }
  };
  return (places, picture = new Float32Array(channels * area)) => {
    const numbers = places.length / objects; // 2, or 3 with an angle
    each.forEach((sheet, j) => {
      const [x, y, angle] = places.slice(j * numbers, (j + 1) * numbers);
      if (angle === undefined) straight(sheet, x, y, placed[j]);
      else {
        placed[j].fill(0);
        const axes = [x, y].map(at => place(at, sigma, size, side));
        pig.turnSheet(sheet, 1 + channels, side, size, ...axes, angle, middle, placed[j]);
      }
    });
    for (let p = 0; p < area; p++) {
      let sum = rest;
      for (let j = 0; j < objects; j++) {
        const logit = placed[j][p] + outside;
        sum += weight[j] = logit < faint ? 0 : Math.exp(logit);
      }
      if (sum === rest) { // most pixels show the background alone
        for (let at = p; at < channels * area; at += area) picture[at] = background[at];
        continue;
      }
      for (let c = 0; c < channels; c++) {
        let value = rest * background[c * area + p];
        for (let j = 0; j < objects; j++) if (weight[j]) value += weight[j] * placed[j][(c + 1) * area + p];
        picture[c * area + p] = value / sum;
      }
    }
    return picture;
  };
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
pig.bytes = (picture, channels, area) => {
  const out = new Uint8ClampedArray(4 * area);
  for (let p = 0; p < area; p++) {
    for (let c = 0; c < 3; c++) out[4 * p + c] = 255 * picture[(channels === 3 ? c : 0) * area + p];
    out[4 * p + 3] = 255;
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

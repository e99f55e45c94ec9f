// The package's decoder (pig_core/decoder.py): learned templates, placed by their positions, over a background.

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

/** Float32 numbers from base64 (little-endian). */
const floats = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);

/** Planes (count, side, side) with a border of zeros, one pixel wide, as (count, side + 2, side + 2). */
const bordered = (planes, side) => {
  const wide = side + 2, out = new Float64Array(planes.length / side ** 2 * wide ** 2);
  for (let row = 0; row < planes.length / side; row++) {
    const plane = Math.floor(row / side);
    out.set(planes.subarray(row * side, (row + 1) * side), (plane * wide + row - plane * side + 1) * wide + 1);
  }
  return out;
};

/**
 * A function that draws the places of all objects, 2 numbers each, or 3 with an angle (counterclockwise on the screen):
 * an image (channels, size, size) in [0, 1], which the next call overwrites.
 *
 * @param look  sheets (objects, 1 + channels, side, side): mask logits above `outside`, and contents; background
 */
pig.painter = look => {
  const { size, side, channels, objects, sigma, outside, behind, cut } = look, place = pig.placements[look.placement];
  const area = size * size, wide = side + 2, plane = wide * wide, [low, high] = cut ? [0, side - 1] : [-1, side];
  const sheets = bordered(floats(look.sheets), side), background = floats(look.background);
  const middle = place(0, 0, size, side)[0]; // of the template: it turns about it
  const rest = Math.exp(behind), nothing = Math.exp(outside);
  const image = new Float64Array(channels * area), total = new Float64Array(area);
  return places => {
    const numbers = places.length / objects;
    total.fill(rest + objects * nothing);
    background.forEach((value, p) => { image[p] = rest * value; });
    for (let j = 0; j < objects; j++) {
      const [x, y, angle = 0] = places.slice(j * numbers, (j + 1) * numbers), cos = Math.cos(angle), sin = Math.sin(angle);
      const [left, perColumn] = place(x, sigma, size, side), [top, perRow] = place(y, sigma, size, side);
      for (let p = 0; p < area; p++) {
        const column = p % size, u = left + column * perColumn - middle, v = top + (p - column) / size * perRow - middle;
        const across = u * cos - v * sin + middle, down = u * sin + v * cos + middle;
        if (!(across >= low && across <= high && down >= low && down <= high)) continue;
        const i = Math.min(Math.floor(across), side - 1), k = Math.min(Math.floor(down), side - 1), b = across - i, d = down - k;
        const first = j * (1 + channels) * plane + (k + 1) * wide + i + 1;
        const shown = at => (1 - d) * ((1 - b) * sheets[at] + b * sheets[at + 1])
          + d * ((1 - b) * sheets[at + wide] + b * sheets[at + wide + 1]);
        const weight = Math.exp(outside + shown(first));
        total[p] += weight - nothing;
        for (let c = 0; c < channels; c++) image[c * area + p] += weight * shown(first + (c + 1) * plane);
      }
    }
    for (let i = 0; i < image.length; i++) image[i] /= total[i % area];
    return image;
  };
};

/** Squared error of an image (channels, size, size) against frame t of bytes (T, size, size, 4), summed. */
pig.error = (image, bytes, t, channels) => {
  const area = image.length / channels;
  return image.reduce((sum, value, i) => {
    const p = i % area;
    return sum + (value - bytes[4 * (t * area + p) + (i - p) / area] / 255) ** 2;
  }, 0);
};

/** An image (channels, size, size) in [0, 1] as bytes (size, size, 4). */
pig.bytes = (image, channels) => {
  const area = image.length / channels, step = channels === 3 ? area : 0;
  return Uint8ClampedArray.from({ length: 4 * area }, (_, i) => i % 4 === 3 ? 255 : 255 * image[(i >> 2) + i % 4 * step]);
};

/** A function that mixes two images of bytes: `mix` writes the colours of the pixel at p. */
const mixed = mix => (first, second) => {
  const out = new Uint8ClampedArray(first.length).fill(255);
  for (let p = 0; p < first.length; p += 4) mix(first, second, p, out);
  return out;
};

/** Their difference, three times as bright. */
pig.difference = mixed((first, second, p, out) => {
  for (let c = 0; c < 3; c++) out[p + c] = 3 * Math.abs(first[p + c] - second[p + c]);
});

/** Both in one, the first in orange and the second in blue: where they agree it is white. */
pig.overlay = mixed((first, second, p, out) => {
  const a = Math.max(first[p], first[p + 1], first[p + 2]), b = Math.max(second[p], second[p + 1], second[p + 2]);
  [out[p], out[p + 1], out[p + 2]] = [a, 0.55 * a + 0.45 * b, b];
});

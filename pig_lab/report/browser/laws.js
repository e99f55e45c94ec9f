// The package's laws of motion and its integrator (pig_core/physics.py), in double precision.

/** Sum over all pairs of objects: out_i += pull(distance²) (x_i - x_j). */
pig.pairwise = (pos, pull) => {
  const acc = new Float64Array(pos.length);
  for (let i = 0; i < pos.length; i += 2) {
    for (let j = 0; j < i; j += 2) {
      const x = pos[i] - pos[j], y = pos[i + 1] - pos[j + 1];
      const factor = pull(x * x + y * y + 1e-8); // DISTANCE_EPS
      acc[i] += factor * x;
      acc[i + 1] += factor * y;
      acc[j] -= factor * x;
      acc[j + 1] -= factor * y;
    }
  }
  return acc;
};

/** By the name of the class. A law that is not here cannot be asked without a kernel. */
pig.laws = {
  Bouncing: {
    walls(pos, vel, { size, radius }) {
      const low = radius, high = size - radius;
      for (let i = 0; i < pos.length; i++) {
        if (pos[i] >= low && pos[i] <= high) continue;
        pos[i] = 2 * (pos[i] < low ? low : high) - pos[i];
        vel[i] = -vel[i];
      }
    },
  },
  Spring: {
    acceleration: (pos, vel, { k, l }) => pig.pairwise(pos, square => {
      const distance = Math.sqrt(square);
      return -k * (distance - 2 * l) / (distance + 1e-4); // DIRECTION_EPS
    }),
  },
  Gravity: {
    acceleration: (pos, vel, { g }) => pig.pairwise(pos, square => {
      const distance = Math.min(Math.max(Math.sqrt(Math.min(Math.max(square, 0.1), 1e5)), 1), 170);
      return -g / distance ** 3;
    }),
  },
  Pendulum: {
    acceleration: (pos, vel, { g, a }, torque) =>
      pos.map(angle => 1.5 * g * Math.sin(angle) + 3 * a * (torque ? torque[0] : 0)),
    limit: vel => vel.map(speed => Math.min(Math.max(speed, -8), 8)), // MAX_SPEED
    place: ([angle], { pivot, arm }) => [pivot[0] - arm * Math.sin(angle), pivot[1] - arm * Math.cos(angle), angle],
  },
};

/**
 * Where the objects are in the `steps` frames after the start: a list of places, x and y of each object in pixels,
 * or, of a law that turns its objects, x, y and angle.
 *
 * @param scene   law, dt, substeps, size, radius and what else the law has to know
 * @param start   {pos, vel} and, where something acts from outside, actions, one list for each frame
 * @param asked   constants by name; speed, the factor of all velocities; turn, by how many degrees, clockwise
 */
pig.rollout = (scene, start, asked, steps) => {
  const law = pig.laws[scene.law], h = scene.dt / scene.substeps;
  const angle = (asked.turn ?? 0) * Math.PI / 180, [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const speed = asked.speed ?? 1;
  const pos = Float64Array.from(start.pos);
  let vel = Float64Array.from(start.vel, v => speed * v);
  if (angle) {
    for (let i = 0; i < vel.length; i += 2) {
      [vel[i], vel[i + 1]] = [vel[i] * cos - vel[i + 1] * sin, vel[i] * sin + vel[i + 1] * cos];
    }
  }
  const places = [];
  for (let frame = 0; frame < steps; frame++) {
    for (let step = 0; step < scene.substeps; step++) { // semi-implicit Euler: the velocity first
      const acc = law.acceleration?.(pos, vel, asked, start.actions?.[frame]);
      if (acc) for (let i = 0; i < vel.length; i++) vel[i] += h * acc[i];
      if (law.limit) vel = law.limit(vel);
      for (let i = 0; i < pos.length; i++) pos[i] += h * vel[i];
      law.walls?.(pos, vel, scene);
    }
    places.push(law.place ? law.place(pos, scene) : pos.slice());
  }
  return places;
};

// Laws of one filmed object (pig_lab/measure/laws.py) as paths over time, in double precision.

/**
 * Positions (a list of numbers each) at all `times`, from the state at time 0, forwards and backwards.
 *
 * @param pull      (position, velocity) => acceleration, lists of numbers
 * @param shortest  seconds in which the motion changes; sets the steps, as runge_kutta of pig_lab/measure/law.py does
 */
pig.rungeKutta = (pull, pos, vel, times, shortest) => {
  const out = new Array(times.length), past = times.filter(t => t < 0).length;
  const plus = (a, h, b) => a.map((x, i) => x + h * b[i]);
  const mean = (x, h, a, b, c, d) => x.map((_, i) => x[i] + h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]));
  const order = [...times.keys()];
  for (const way of [order.slice(past), order.slice(0, past).reverse()]) {
    let x = pos, v = vel, now = 0;
    for (const i of way) {
      const span = times[i] - now, count = Math.min(Math.max(Math.ceil(Math.abs(span) / (0.15 * shortest)), 1), 12), h = span / count;
      for (let n = 0; n < count; n++) {
        const a1 = pull(x, v), v2 = plus(v, h / 2, a1);
        const a2 = pull(plus(x, h / 2, v), v2), v3 = plus(v, h / 2, a2);
        const a3 = pull(plus(x, h / 2, v2), v3), v4 = plus(v, h, a3);
        const a4 = pull(plus(x, h, v3), v4);
        [x, v] = [mean(x, h, v, v2, v3, v4), mean(v, h, a1, a2, a3, a4)];
      }
      [out[i], now] = [x, times[i]];
    }
  }
  return out;
};

const swing = friction => ({ pivot_x, pivot_y, length, omega2, damping, angle, rate }, times) =>
  pig.rungeKutta(([theta], [speed]) => [-omega2 * Math.sin(theta) - friction(damping, speed)], [angle], [rate], times,
                 1 / Math.sqrt(Math.max(omega2, 1e-3)))
    .map(([theta]) => [pivot_x + length * Math.sin(theta), pivot_y + length * Math.cos(theta)]);

const straight = ({ x, y, vx, vy, ax = 0, ay = 0 }, times) =>
  times.map(t => [x + t * vx + t * t / 2 * ax, y + t * vy + t * t / 2 * ay]);

const dragged = ({ x, y, vx, vy, ax, ay, drag }, times) => {
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b), half = steps.length / 2;
  const median = (steps[Math.ceil(half) - 1] + steps[Math.floor(half)]) / 2;
  const pull = (_, [u, v]) => { const speed = Math.hypot(u, v); return [ax - drag * u * speed, ay - drag * v * speed]; };
  return pig.rungeKutta(pull, [x, y], [vx, vy], times, Math.max(median, 1e-6) / 0.15);
};

const slowed = ({ x, y, vx, vy, ax, ay, drag }, times) => times.map(t => {
  const along = (from, speed, pull) => from + pull / drag * t - (speed - pull / drag) / drag * Math.expm1(-drag * t);
  return [along(x, vx, ax), along(y, vy, ay)];
});

const oscillation = ({ x, y, angle, cos, sin, omega2, damping }, times) => {
  const omega = Math.sqrt(Math.max(omega2 - damping ** 2 / 4, 1e-9));
  return times.map(t => {
    const along = (cos * Math.cos(omega * t) + sin * Math.sin(omega * t)) * Math.exp(-damping / 2 * t);
    return [x + Math.cos(angle) * along, y + Math.sin(angle) * along];
  });
};

/** By the name of the class in Python: (numbers by name, times) => [[x, y], ...]. */
pig.clipLaws = {
  "pig_lab.measure.laws.Pendulum": swing((damping, rate) => damping * rate),
  "pig_lab.measure.laws.PendulumQuadratic":
    swing((damping, rate) => damping * Math.abs(rate) * Math.min(Math.max(rate, -1e4), 1e4)),
  "pig_lab.measure.laws.Spring": oscillation,
  "pig_lab.measure.laws.Uniform": straight,
  "pig_lab.measure.laws.ConstantAcceleration": straight,
  "pig_lab.measure.laws.Projectile": straight,
  "pig_lab.measure.laws.ConstantAccelerationDrag": dragged,
  "pig_lab.measure.laws.ConstantAccelerationLinearDrag": slowed,
  "pig_lab.measure.laws.ProjectileDrag": dragged,
};

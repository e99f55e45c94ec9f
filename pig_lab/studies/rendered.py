"""Clips whose truth is known, of an engine and a camera that are not ours: MuJoCo, with shadow, blur, noise and H.264.

Needs the package ``mujoco`` and EGL. The motion's plane is parallel to the picture; what lies behind it is not.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from pig_core.system import RunError, project_root, replacing

from ..measure.results import write_video

KINDS = ("pendulum", "toss", "spring", "slope", "two_bodies")
SIZE = (480, 360)  # width, height, pixels
FPS, SECONDS = 30, {"toss": 0.8, "slope": 1.2}
BLUR = 3  # pictures averaged into one frame, over half of its time
GRAVITY = 9.81
_GHOST = 'contype="0" conaffinity="0"'  # touches nothing


@dataclass(frozen=True)
class Rendered:
    """A clip in memory with its truth.

    Attributes:
        frames: (T, H, W, 3) uint8.
        positions: (T, K, 2) of the objects, pixels, in the middle of the exposure.
        truth: constants in metres and seconds.
        law: that is right.
        px_per_m: in the plane of the motion.
    """

    frames: np.ndarray
    positions: np.ndarray
    truth: dict[str, float]
    law: str
    px_per_m: float

    def write(self, path: Path) -> None:
        """Write the clip as H.264."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, self.frames, FPS, quality=23)


def load_mujoco():
    """The engine.

    Raises:
        RunError: if it, or EGL, is not here.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco

        mujoco.Renderer  # noqa: B018  needs EGL
    except (ImportError, AttributeError, OSError) as error:
        raise RunError(f"clips are rendered by mujoco over EGL, which is not here ({error}): "
                       "pip install mujoco, apt-get install libegl1 libgl1") from error  # fmt: skip
    return mujoco


def render(kind: str, seed: int, seconds: float | None = None, size: tuple[int, int] = SIZE) -> Rendered:
    """A clip of a kind out of ``KINDS``; the seed decides on colours, light, camera, size and motion.

    Args:
        seconds: that it lasts; None: as long as the benchmark's.
        size: width and height, pixels.
    """
    mujoco, rng = load_mujoco(), np.random.default_rng([KINDS.index(kind), seed])
    scene, truth, law, start = _BODIES[kind](rng)
    model = mujoco.MjModel.from_xml_string(_world(rng, scene, size))
    data = mujoco.MjData(model)
    data.qpos[: len(start[0])], data.qvel[: len(start[1])] = start
    mujoco.mj_forward(model, data)
    bodies = [i for i in range(model.nbody) if model.body(i).name.startswith("object")]
    count = round(FPS * (seconds or SECONDS.get(kind, 2.5)))
    steps = round(1 / FPS / model.opt.timestep)
    shots = {round(i * steps / 2 / BLUR): i for i in range(BLUR)}
    pictures, places = [], []
    with mujoco.Renderer(model, size[1], size[0]) as renderer:
        camera = model.camera("eye")
        focal = size[1] / 2 / np.tan(np.radians(camera.fovy[0]) / 2)
        scale = focal / abs(camera.pos[1])
        for _ in range(count):
            exposed, seen = [], []
            for step in range(steps):
                if step in shots:
                    renderer.update_scene(data, "eye")
                    exposed.append(renderer.render().astype(np.float32))
                    offset = (data.xpos[bodies] - camera.pos) * scale
                    seen.append(np.stack([size[0] / 2 + offset[:, 0], size[1] / 2 - offset[:, 2]], -1) - 0.5)
                mujoco.mj_step(model, data)
            noise = rng.normal(0, 2.5, exposed[0].shape)
            pictures.append((np.mean(exposed, 0) + noise).clip(0, 255).astype(np.uint8))
            places.append(np.mean(seen, 0))
    return Rendered(np.stack(pictures), np.stack(places), truth, law, float(scale))


def _color(rng: np.random.Generator) -> str:
    color = rng.uniform(0.05, 0.95, 3)
    color[rng.integers(3)] = rng.choice([0.05, 0.95])
    return " ".join(f"{part:.2f}" for part in color) + " 1"


def _world(rng: np.random.Generator, scene: str, size: tuple[int, int]) -> str:
    """A room: a wall behind, a floor, a light that throws shadows, a camera."""
    wall = rng.uniform(0.35, 0.9, (2, 3))
    a, b = (" ".join(f"{part:.2f}" for part in shade) for shade in (wall[0], wall[0] + 0.12 * (wall[1] - 0.6)))
    light = f"{rng.uniform(-1.5, 1.5):.2f} {rng.uniform(-4, -2.5):.2f} {rng.uniform(1.5, 3.5):.2f}"
    eye = f"{rng.uniform(-0.1, 0.1):.3f} {-rng.uniform(2.6, 3.4):.3f} {rng.uniform(-0.05, 0.1):.3f}"
    gravity = 0 if "<tendon>" in scene else -GRAVITY
    return f"""<mujoco><option timestep="0.00111111111111" integrator="RK4" gravity="0 0 {gravity}"/>
    <visual><global offwidth="{size[0]}" offheight="{size[1]}"/>
      <headlight ambient="0.35 0.35 0.35" diffuse="0.25 0.25 0.25"/>
      <quality shadowsize="2048"/></visual>
    <asset><texture name="wall" type="2d" builtin="checker" rgb1="{a}" rgb2="{b}" width="256" height="256"/>
      <material name="wall" texture="wall" texrepeat="{rng.integers(2, 7)} {rng.integers(2, 7)}"/></asset>
    <worldbody>
      <light pos="{light}" dir="{-0.2 * float(light.split()[0]):.2f} 1 -0.8" directional="false" castshadow="true"
        diffuse="0.6 0.6 0.6"/>
      <camera name="eye" pos="{eye}" xyaxes="1 0 0 0 0 1" fovy="42"/>
      <geom type="box" size="4 0.05 4" pos="0 {rng.uniform(0.35, 0.7):.2f} 0" material="wall" {_GHOST}/>
      <geom type="box" size="4 4 0.05" pos="0 0 -1.3" rgba="{_color(rng)}" {_GHOST}/>
      {scene}</mujoco>"""


def _geom(rng: np.random.Generator, color: str | None = None) -> str:
    size = rng.uniform(0.04, 0.09)
    return f'<geom type="sphere" size="{size:.4f}" mass="1" rgba="{color or _color(rng)}" {_GHOST}/>'


_POINT = '<inertial pos="0 0 0" mass="1" diaginertia="1e-7 1e-7 1e-7"/>'


def _pendulum(rng: np.random.Generator):
    length, damping = rng.uniform(0.45, 0.9), rng.uniform(0, 0.25)
    top = rng.uniform(0.45, 0.7)
    scene = f"""<body pos="{rng.uniform(-0.2, 0.2):.3f} 0 {top:.4f}">
      <joint type="hinge" axis="0 1 0" damping="{damping * length**2:.8f}"/>
      <geom type="capsule" size="0.006" fromto="0 0 0 0 0 {-length:.4f}" mass="0" rgba="0.2 0.2 0.2 1" {_GHOST}/>
      <inertial pos="0 0 0" mass="1e-9" diaginertia="1e-9 1e-9 1e-9"/>
      <body name="object" pos="0 0 {-length:.8f}">{_POINT}{_geom(rng)}</body></body></worldbody>"""
    truth = {"omega2": GRAVITY / round(length, 8), "length": length, "damping": damping}
    return scene, truth, "pendulum", ([rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)], [0.0])


def _toss(rng: np.random.Generator):
    scene = f"""<body name="object"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
      {_POINT}{_geom(rng)}</body></worldbody>"""
    side = rng.choice([-1, 1])
    start = ([-0.85 * side, rng.uniform(-0.75, -0.5)], [side * rng.uniform(1.8, 2.2), rng.uniform(4.2, 4.9)])
    return scene, {"a": GRAVITY}, "constant_acceleration", start


def _spring(rng: np.random.Generator):
    omega2, damping = rng.uniform(15, 60), rng.uniform(0, 0.3)
    rest = rng.uniform(-0.1, 0.2)
    scene = f"""<body name="object" pos="{rng.uniform(-0.4, 0.4):.3f} 0 {rest + GRAVITY / omega2:.4f}">
      <joint type="slide" axis="0 0 1" stiffness="{omega2:.8f}" damping="{damping:.8f}"/>
      {_POINT}{_geom(rng)}</body></worldbody>"""
    start = ([rng.choice([-1, 1]) * rng.uniform(0.15, 0.4) - GRAVITY / omega2], [0.0])
    return scene, {"omega2": omega2, "damping": damping}, "spring", start


def _slope(rng: np.random.Generator):
    tilt, side = rng.uniform(0.12, 0.3), rng.choice([-1, 1])
    along = np.array([side * np.cos(tilt), 0, -np.sin(tilt)])
    size = rng.uniform(0.05, 0.08)
    scene = f"""<geom type="box" size="1.2 0.15 0.02" euler="0 {side * np.degrees(tilt):.4f} 0"
      pos="0 0 {-size - 0.02:.4f}" rgba="{_color(rng)}" {_GHOST}/>
      <body name="object"><joint type="slide" axis="{along[0]:.10f} 0 {along[2]:.10f}"/>{_POINT}
      <geom type="sphere" size="{size:.4f}" mass="1" rgba="{_color(rng)}" {_GHOST}/></body></worldbody>"""
    start = ([-0.85], [rng.uniform(0, 0.3)])
    return scene, {"a": GRAVITY * np.sin(tilt)}, "constant_acceleration", start


def _two_bodies(rng: np.random.Generator):
    k, half = rng.uniform(4, 16), rng.uniform(0.18, 0.3)
    colors = ["0.9 0.15 0.1 1", "0.1 0.2 0.9 1"]
    bodies = "".join(
        f"""<body name="object{i}"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>{_POINT}
        {_geom(rng, colors[i])}<site name="s{i}"/></body>"""
        for i in range(2)
    )
    scene = f"""{bodies}</worldbody><tendon><spatial stiffness="{k:.8f}" springlength="{2 * half:.8f}" width="0.004"
      rgba="0.3 0.3 0.3 1"><site site="s0"/><site site="s1"/></spatial></tendon>"""
    angle = rng.uniform(0, 2 * np.pi)
    arm = half * rng.uniform(1.2, 1.6) * np.array([np.cos(angle), np.sin(angle)])
    turn = rng.uniform(0.4, 0.8) * np.array([-np.sin(angle), np.cos(angle)])
    drift = rng.uniform(-0.05, 0.05, 2)
    start = ([*arm, *-arm], [*(turn + drift), *(-turn + drift)])
    return scene, {"k": k, "l": half}, "spring_between", start


_BODIES = {"pendulum": _pendulum, "toss": _toss, "spring": _spring, "slope": _slope, "two_bodies": _two_bodies}


# The demonstration clip: ``python -m pig_lab.studies.rendered`` renders it again and draws the README's picture.

DEMO = project_root() / "reports" / "results" / "clips" / "demo.mp4"
KIND, SEED = "pendulum", 3

PICTURE = project_root() / "reports" / "measure.jpg"


def picture(path: Path = PICTURE) -> None:
    """The measured clip at a third of it and near its end, side by side."""
    from ..measure.measure import measure
    from ..measure.options import Options
    from ..measure.results import overlay

    found = measure(Options(str(DEMO)))
    count = len(found.clip.frames)
    with replacing(path) as temporary:
        imageio.imwrite(temporary, np.concatenate(list(overlay(found, [count // 3, count - 4])), 1), quality=85)


if __name__ == "__main__":
    render(KIND, SEED).write(DEMO)
    picture()

"""The same pendulum without physics: an interaction network on the same positions, planned with in the same way.

With one object it is a network that says how position and velocity change within a frame, given the torque.
"""

import copy
import time

import torch
from torch import Tensor

from pig_core.baselines import InteractionNetwork
from pig_core.model import PAIG, to_video
from pig_core.physics import Dynamics
from pig_core.state import State
from pig_core.system import Progress

from .episodes import Pixels
from .film import HELD_OUT, film
from .law import MAX_TORQUE, PENDULUM

UNITS, STEPS, BATCH, RATE, EVERY = 64, 3000, 128, 3e-3, 100


class BlackBoxPendulum(Dynamics):
    """An interaction network in pixels, and what a planner has to know: which angle a position is.

    Args:
        pivot, arm: of the circle on which the positions lie, pixels, (2,) and ().
    """

    def __init__(self, pivot: Tensor, arm: Tensor):
        super().__init__()
        task = PENDULUM
        self.dt = task.dt
        self.cell = InteractionNetwork(1, UNITS, 1, 2 * arm.item(), task.dt, task.law.n_actions)
        self.register_buffer("pivot", pivot.clone())
        self.register_buffer("arm", arm.clone())

    def rollout(self, pos: Tensor, vel: Tensor, steps: int, actions: Tensor) -> State:
        """As :meth:`pig_core.physics.Law.rollout`, in pixels."""
        corner = self.pivot - self.arm  # so that the network sees a circle of radius 1 around 0
        path, velocities = self.cell.rollout(pos - corner, vel, steps, actions / MAX_TORQUE)
        return path + corner, velocities

    def angles(self, path: Tensor) -> Tensor:
        """Angles from upright, radians, (B, T), of a rollout (B, T, 1, 2)."""
        left, up = (self.pivot - path[:, :, 0]).unbind(-1)
        return torch.atan2(left, up)

    def speeds(self, path: Tensor, velocities: Tensor) -> Tensor:
        """Angular speeds, radians per second, (B, T), of a rollout (B, T, 1, 2): what leads around the pivot."""
        (left, up), (right, down) = ((self.pivot - path[:, :, 0]).unbind(-1), velocities[:, :, 0].unbind(-1))
        return (left * down - up * right) / self.arm.square()


class PixelsOfBlackBox(Pixels):
    """Sees the same frames; the velocity is what the last two positions differ by, as in the box's training."""

    @torch.no_grad()
    def state(self) -> State:
        before, now = self.positions[-2:]
        return now, (now - before) / self.physics.dt


@torch.no_grad()
def seen(model: PAIG, split: str, n: int) -> tuple[Tensor, Tensor]:
    """Positions that the model sees in the first ``n`` sequences, (n, T, 1, 2), and their actions (n, T, 1)."""
    films, positions = film(n, PENDULUM.train_length, split), []
    with Progress(f"encode {split}", n, interval=100) as progress:
        for x in films["x"]:
            positions.append(model.encode_frames(to_video(torch.from_numpy(x)))[0])
            progress.advance()
    return torch.stack(positions), torch.from_numpy(films["actions"])


def train_black_box(model: PAIG, sequences: int, seed: int) -> tuple[BlackBoxPendulum, dict[str, float]]:
    """A box that predicts P frames of positions; of several ages the one that does best on validation sequences.

    Returns:
        the box, and errors of prediction after P frames, root mean square in pixels: "error" of the box and
        "error_physics" of the model's physics on the same validation sequences; "box_seconds" of the CPU.
    """
    started = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    box, ahead, dt = BlackBoxPendulum(model.physics.pivot, model.physics.arm), model.pred_steps, PENDULUM.dt
    train, valid = seen(model, "train", sequences), seen(model, "valid", HELD_OUT)
    optimizer = torch.optim.Adam(box.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    best, kept = float("inf"), copy.deepcopy(box.state_dict())

    def off(positions: Tensor, actions: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """What positions (B, P, 1, 2) and steps per frame of a rollout from frame ``start`` differ by."""
        steps = positions.diff(dim=1)  # (B, T - 1, 1, 2)
        acts = actions[:, start : start + ahead]
        path, velocities = box.rollout(positions[:, start], steps[:, start - 1] / dt, ahead, acts)
        later = slice(start + 1, start + 1 + ahead)
        return path - positions[:, later], dt * velocities - steps[:, start : start + ahead]

    with Progress("black box", STEPS, interval=500) as progress:
        for step in range(STEPS):
            chosen = torch.randint(sequences, (BATCH,), generator=generator)
            start = 1 + step % (train[0].shape[1] - ahead - 1)
            loss = sum(x.square().mean() for x in off(train[0][chosen], train[1][chosen], start))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.advance()
            if (step + 1) % EVERY == 0:
                with torch.no_grad():
                    error = off(*valid, model.input_steps - 1)[0].square().mean().item()
                if error < best:
                    best, kept = error, copy.deepcopy(box.state_dict())
    box.load_state_dict(kept)
    with torch.no_grad():
        last = off(*valid, model.input_steps - 1)[0][:, -1]
        physics = model.predict(valid[0][:, : model.input_steps], ahead, valid[1])[0][:, -1] - valid[0][:, -1]
    return box.requires_grad_(False), {
        "error": last.square().sum(-1).mean().sqrt().item(),
        "error_physics": physics.square().sum(-1).mean().sqrt().item(),
        "box_seconds": time.process_time() - started,
    }

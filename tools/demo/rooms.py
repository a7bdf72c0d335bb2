"""Rendered rooms: a few named objects on, or floating above, a floor seen in perspective.

The camera stands CAMERA metres above a tiled floor and looks straight ahead. A standing object that is farther
away is therefore smaller, higher in the image and paler, so height in the image and distance go together, as they do
in photographs. A floating object breaks that tie; its shadow lies on the floor straight below it, so its true
distance can still be seen.

Lengths are pixels unless a name says metres. Image axes: x to the right, y downwards.
"""
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIDE = 112          # of the square image
SUPERSAMPLE = 3     # shapes are drawn at this multiple and box-filtered down
FOCAL = float(SIDE)
CAMERA = 1.6        # metres
NEAR, FAR = 2.5, 8.0  # metres

# Every name is a colour and a shape of its own, so either word finds the object.
COLOURS = {
    "red ball": (215, 40, 35), "green box": (40, 160, 60), "blue cone": (45, 70, 215),
    "yellow drum": (235, 210, 40), "purple star": (140, 50, 170), "orange ring": (240, 130, 20),
    "white egg": (245, 245, 240), "black cross": (25, 25, 30), "pink heart": (245, 130, 180),
    "cyan diamond": (50, 200, 215),
}
NAMES = list(COLOURS)

# The canonical category of an axis comes first, as in the experiment.
AXES = {"horizontal": ("left", "right"), "vertical": ("above", "below"), "distance": ("far", "close")}
OPPOSITE = {a: b for pair in AXES.values() for a, b in (pair, pair[::-1])}

APART = 0.08 * SIDE    # centres nearer than this are neither left nor right, above nor below, of each other
DEEPER = 1.3           # distances whose ratio is smaller are neither far nor close
LEVEL = 0.05 * SIDE    # centres nearer than this make a distance pair ambiguous: the experiment's rule


@dataclass
class Object:
    name: str
    metres: float   # distance from the camera
    x: float        # centre
    y: float
    side: float     # height and width
    floor: float    # y where the object, or its shadow, meets the floor

    def __post_init__(self):
        """bbox: x, y, width, height in whole pixels; centre: of the box, not of the object, since ground truth must follow
        from what the box file says. Kept, because drawing questions asks for them hundreds of times a scene."""
        half = self.side / 2
        x0, y0 = math.floor(self.x - half), math.floor(self.y - half)
        self.bbox = x0, y0, math.ceil(self.x + half) - x0, math.ceil(self.y + half) - y0
        self.centre = x0 + self.bbox[2] / 2, y0 + self.bbox[3] / 2


@dataclass
class Scene:
    horizon: float
    objects: list
    seed: int      # of everything that rendering draws


def sample(rng, floating, count=(3, 5)):
    """A scene of count[0] … count[1] objects, each of which floats with probability `floating`.

    Objects that find no free place in 30 tries are left out, so there may be as few as two.
    """
    while True:
        horizon = SIDE * rng.uniform(0.30, 0.38)
        names = rng.permutation(NAMES)[:rng.integers(count[0], count[1] + 1)]
        objects = []
        for name in names:
            for _ in range(30):
                o = _place(rng, str(name), horizon, rng.random() < floating)
                if o and all(_clear(o, other) for other in objects):
                    objects.append(o)
                    break
        if len(objects) >= 2:
            return Scene(horizon, objects, int(rng.integers(1 << 31)))


def _place(rng, name, horizon, floats):
    metres = np.exp(rng.uniform(np.log(NEAR), np.log(FAR)))
    # The spread of true sizes keeps size from being a perfect cue to distance.
    side = FOCAL * 0.75 * np.exp(rng.uniform(-0.30, 0.30)) / metres
    floor = horizon + FOCAL * CAMERA / metres
    x = rng.uniform(0.06, 0.94) * SIDE
    y = floor - side / 2
    if floats:
        highest, lowest = side / 2 + 2, floor - 1.1 * side
        if lowest <= highest:
            return None
        y = rng.uniform(highest, lowest)
    half = side / 2
    if min(x, y) - half < 1 or max(x, y) + half > SIDE - 1:
        return None
    return Object(name, float(metres), float(x), float(y), float(side), float(floor))


def _clear(a, b):
    """Neither hides the other, nor the other's shadow more than a little."""
    gap = 0.46 * (a.side + b.side)
    return abs(a.x - b.x) > gap or abs(a.y - b.y) > gap


# --- ground truth ---------------------------------------------------------------------------------

def truth(axis, a, b):
    """The category of a relative to b, or None where the two are too close to call."""
    (ax, ay), (bx, by) = a.centre, b.centre
    if axis == "horizontal":
        return None if abs(ax - bx) < APART else "left" if ax < bx else "right"
    if axis == "vertical":
        return None if abs(ay - by) < APART else "above" if ay < by else "below"
    near, far = sorted((a.metres, b.metres))
    return None if far < DEEPER * near else "far" if a.metres > b.metres else "close"


def kind(a, b):
    """consistent, counter or ambiguous: is the farther object the higher one in the image?"""
    dy = a.centre[1] - b.centre[1]
    if abs(dy) < LEVEL:
        return "ambiguous"
    return "consistent" if (a.metres > b.metres) == (dy < 0) else "counter"


def pairs(scene, axis):
    """Every unordered pair of objects that has an answer on this axis."""
    o = scene.objects
    return [(a, b) for i, a in enumerate(o) for b in o[i + 1:] if truth(axis, a, b)]


# --- rendering ------------------------------------------------------------------------------------

def render(scene):
    """The scene as uint8 [SIDE, SIDE, 3]."""
    rng = np.random.default_rng(scene.seed)
    room = _room(rng, scene.horizon)
    image = Image.fromarray(room).resize((SIDE * SUPERSAMPLE, SIDE * SUPERSAMPLE), Image.NEAREST)
    draw = ImageDraw.Draw(image)
    haze = tuple(int(c) for c in room[int(scene.horizon) - 2, SIDE // 2])
    farthest_first = sorted(scene.objects, key=lambda o: -o.metres)
    for o in farthest_first:   # all shadows first: none falls on an object
        rx, ry = 0.5 * o.side, 0.14 * o.side
        draw.ellipse([SUPERSAMPLE * v for v in (o.x - rx, o.floor - ry, o.x + rx, o.floor + ry)],
                     fill=_blend((28, 26, 24), haze, 0.3 * _fog(o.metres)))
    for o in farthest_first:
        _draw(draw, o, _blend(COLOURS[o.name], haze, _fog(o.metres)))
    # Grey noise, so that no two renderings agree in any patch.
    out = np.asarray(image.reduce(SUPERSAMPLE), np.float32) + rng.normal(0, 3, (SIDE, SIDE, 1))
    return np.clip(out, 0, 255).astype(np.uint8)


def _fog(metres):
    return 0.55 * (metres - NEAR) / (FAR - NEAR)


def _blend(a, b, t):
    return tuple(int(round((1 - t) * p + t * q)) for p, q in zip(a, b))


def _room(rng, horizon):
    """Wall above the horizon, tiled floor below. Light falls in from the left: an absolute horizontal cue, needed
    because the positions inside Qwen's vision tower are relative."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5
    wall = np.array([190, 195, 205]) + rng.normal(0, 6, 3)
    tile = np.array([150, 130, 110]) + rng.normal(0, 6, 3)
    below = y > horizon + 1
    metres = FOCAL * CAMERA / np.maximum(y - horizon, 1)
    across = (x - SIDE / 2) * metres / FOCAL
    checks = (np.floor(across + rng.random()) + np.floor(metres + rng.random())) % 2
    fade = np.clip(metres / 14, 0, 1)
    floor = tile + 16 * (checks - 0.5)[..., None] * (1 - fade)[..., None]
    floor = floor * (1 - fade)[..., None] + wall * fade[..., None]
    out = np.where(below[..., None], floor, wall - 0.25 * (horizon - y)[..., None])
    out = out * (1.18 - 0.36 * x / SIDE)[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


def _draw(draw, o, colour):
    """The object's shape; coordinates below are in half sides from its centre."""
    half = o.side / 2
    dark = tuple(int(0.6 * c) for c in colour)

    def scaled(x, y):
        return SUPERSAMPLE * (o.x + half * x), SUPERSAMPLE * (o.y + half * y)

    def box(x0, y0, x1, y1):
        return [*scaled(x0, y0), *scaled(x1, y1)]

    def polygon(points, fill):
        draw.polygon([scaled(*p) for p in points], fill=fill)

    shape = o.name.split()[1]
    if shape == "ball":
        draw.ellipse(box(-1, -1, 1, 1), fill=dark)
        draw.ellipse(box(-1, -1, .8, .8), fill=colour)
    elif shape == "box":
        draw.rectangle(box(-1, -1, 1, 1), fill=dark)
        draw.rectangle(box(-1, -.7, .6, 1), fill=colour)
    elif shape == "cone":
        polygon([(0, -1), (1, 1), (-1, 1)], dark)
        polygon([(0, -1), (.3, 1), (-1, 1)], colour)
    elif shape == "drum":
        draw.rectangle(box(-.8, -.75, .8, 1), fill=colour)
        draw.ellipse(box(-.8, -1, .8, -.5), fill=dark)
    elif shape == "star":
        angle = np.arange(10) * np.pi / 5 - np.pi / 2
        radius = np.where(np.arange(10) % 2, .45, 1.)
        polygon(list(zip(radius * np.cos(angle), radius * np.sin(angle))), colour)
    elif shape == "ring":
        draw.ellipse(box(-.95, -.95, .95, .95), outline=colour, width=max(1, int(.55 * half * SUPERSAMPLE)))
    elif shape == "egg":
        draw.ellipse(box(-.75, -1, .75, 1), fill=dark)
        draw.ellipse(box(-.75, -1, .6, .85), fill=colour)
    elif shape == "cross":
        draw.rectangle(box(-.35, -1, .35, 1), fill=colour)
        draw.rectangle(box(-1, -.35, 1, .35), fill=colour)
    elif shape == "heart":
        draw.ellipse(box(-.95, -.95, .05, .15), fill=colour)
        draw.ellipse(box(-.05, -.95, .95, .15), fill=colour)
        polygon([(-.92, -.2), (.92, -.2), (0, 1)], colour)
    elif shape == "diamond":
        polygon([(0, -1), (.8, 0), (0, 1), (-.8, 0)], dark)
        polygon([(0, -1), (.8, 0), (-.8, 0)], colour)

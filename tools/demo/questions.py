"""The questions asked about a scene in training and evaluation, each with its one-word answer."""
import rooms

TAIL = "Answer with only one word."
EIGHTHS = "one two three four five six seven eight".split()
DESCRIBE = "Describe the image."


def relation(axis, a, b):
    """The experiment's own template. For distance, a is the subject and b the reference (and neither has an article)."""
    if axis == "horizontal":
        return f"Is the {a} to the left or right of the {b}? {TAIL}"
    if axis == "vertical":
        return f"Is the {a} above or below the {b}? {TAIL}"
    return f"Compared to {b}, is {a} far or close from you? {TAIL}"


def reworded(axis, a, b):
    """The same question with the other object named first, so that order of mention does not give the roles away."""
    if axis == "horizontal":
        return f"Compared to the {b}, is the {a} to the left or right? {TAIL}"
    if axis == "vertical":
        return f"Compared to the {b}, is the {a} above or below? {TAIL}"
    return f"Is the {a} far or close from you compared to the {b}? {TAIL}"


def draw(rng, scene, what, share_reworded):
    """(question, answer) of the kind `what`, or None where the scene has no such question."""
    if what == "where":
        return _where(rng, scene)
    if what in rooms.AXES:
        return _relation(rng, scene, what, share_reworded)
    return _single(rng, scene, what)


def _two(rng, options):
    a, b = options[rng.integers(len(options))]
    return (b, a) if rng.random() < 0.5 else (a, b)


def _relation(rng, scene, axis, share_reworded):
    options = rooms.pairs(scene, axis)
    if not options:
        return None
    a, b = _two(rng, options)
    form = reworded if rng.random() < share_reworded else relation
    return form(axis, a.name, b.name), rooms.truth(axis, a, b)


def _where(rng, scene):
    """An open question with three right answers, of which one is drawn: it ties the three axes to one another."""
    options = [p for p in rooms.pairs(scene, "distance")
               if rooms.truth("vertical", *p) and rooms.truth("horizontal", *p)]
    if not options:
        return None
    a, b = _two(rng, options)
    axis = list(rooms.AXES)[rng.integers(3)]
    return f"Where is the {a.name} compared to the {b.name}? {TAIL}", rooms.truth(axis, a, b)


def _single(rng, scene, what):
    """About one object: its column, its row, or whether it is there."""
    o = scene.objects[rng.integers(len(scene.objects))]
    x, y = o.centre
    if what == "column":
        return f"In which column is the {o.name}? {TAIL}", eighth(x)
    if what == "row":
        return f"In which row is the {o.name}? {TAIL}", eighth(y)
    if what != "presence":
        raise ValueError(f"no question of kind {what!r}")
    if rng.random() < 0.5:
        return f"Is there a {o.name}? {TAIL}", "yes"
    absent = sorted(set(rooms.NAMES) - {p.name for p in scene.objects})
    return f"Is there a {absent[rng.integers(len(absent))]}? {TAIL}", "no"


def eighth(v):
    """The word for the eighth of the image in which the coordinate v lies, counted from the left or the top."""
    return EIGHTHS[int(min(max(v, 0), rooms.SIDE - 1) * 8 / rooms.SIDE)]


def corpus():
    """Texts that hold every word in every position the templates put it in: the tokenizers are trained on them."""
    for a, b in zip(rooms.NAMES, rooms.NAMES[1:] + rooms.NAMES[:1]):
        for axis in rooms.AXES:
            yield relation(axis, a, b) + " " + reworded(axis, a, b)
        for q in ("In which column is the", "In which row is the", "Is there a"):
            yield f"{q} {a}? {TAIL}"
        yield f"How many steps away is the {a}? {TAIL}"
        yield f"Where is the {a} compared to the {b}?"
        yield f"The {a} is near the {b}. Which object is under it? What colour is it?"
    yield DESCRIBE + "".join(f" {w}," for w in EIGHTHS)


def answers():
    """Every word that is ever an answer."""
    return [w for pair in rooms.AXES.values() for w in pair] + EIGHTHS + ["yes", "no"]

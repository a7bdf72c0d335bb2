"""Small image files in many variants, and what Pillow decodes them to.

    python tools/vectors/pictures.py [--cjpeg PATH] extract/vision/testdata/variants.json

Needs pillow 12.1.1 and numpy. With --cjpeg (libjpeg-turbo's encoder) files with unusual sampling factors and scan
scripts are added, which Pillow cannot write; the stored file was made with cjpeg 2.1.5. Seeds are fixed.

Every entry: name, data (base64), and either size and rgb (SHA-256 of the RGB bytes) or error = true.
"""

import argparse, base64, hashlib, io, json, os, random, struct, subprocess, tempfile, zlib

import numpy as np
from PIL import Image

R = np.random.default_rng(20)
random.seed(20)
entries = []


def add(name, data):
    e = {"name": name, "data": base64.b64encode(bytes(data)).decode()}
    try:
        im = Image.open(io.BytesIO(bytes(data))).convert("RGB")
        e["size"] = list(im.size)
        e["rgb"] = hashlib.sha256(im.tobytes()).hexdigest()
    except Exception:
        e["error"] = True
    entries.append(e)


def photo(w, h, channels):
    """Smooth shapes with noise on top, so that every coefficient and both signs occur."""
    coarse = R.integers(0, 256, (h // 5 + 2, w // 5 + 2, channels), dtype=np.uint8)
    planes = [np.array(Image.fromarray(coarse[:, :, c]).resize((w, h), Image.BICUBIC)) for c in range(channels)]
    noisy = np.stack(planes, 2).astype(int) + R.integers(-25, 26, (h, w, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def picture(w, h, mode):
    a = photo(w, h, {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode])
    return Image.fromarray(a[:, :, 0] if mode == "L" else a, mode)


def encoded(im, kind, **options):
    b = io.BytesIO()
    im.save(b, kind, **options)
    return b.getvalue()


def jpegs():
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            for w, h in ((1, 1), (5, 4), (17, 19), (33, 16)):
                add(f"jpeg {sampling} {'progressive' if progressive else 'baseline'} {w}x{h}",
                    encoded(picture(w, h, "RGB"), "JPEG", subsampling=sampling, progressive=progressive, quality=85, optimize=True))
    for q in (1, 30, 100):
        add(f"jpeg quality {q}", encoded(picture(24, 24, "RGB"), "JPEG", quality=q, optimize=True))
    add("jpeg restart", encoded(picture(40, 24, "RGB"), "JPEG", restart_marker_blocks=2, optimize=True))
    add("jpeg restart progressive", encoded(picture(40, 24, "RGB"), "JPEG", restart_marker_blocks=1, progressive=True))
    add("jpeg 16-bit tables", encoded(picture(20, 20, "RGB"), "JPEG", qtables=[[int(v) for v in R.integers(1, 500, 64)] for _ in range(2)]))
    add("jpeg stored as RGB", encoded(picture(20, 13, "RGB"), "JPEG", keep_rgb=True, optimize=True))
    for progressive in (False, True):
        add(f"jpeg grey {progressive}", encoded(picture(19, 21, "L"), "JPEG", progressive=progressive, optimize=True))
        add(f"jpeg CMYK {progressive}", encoded(picture(14, 15, "CMYK"), "JPEG", progressive=progressive, optimize=True))
    ycck = bytearray(encoded(picture(14, 15, "CMYK"), "JPEG", optimize=True))
    ycck[ycck.find(b"Adobe") + 11] = 2
    add("jpeg YCCK", ycck)
    exif = Image.Exif()
    exif[0x112] = 6
    add("jpeg turned by EXIF", encoded(picture(12, 9, "RGB"), "JPEG", exif=exif, optimize=True))
    plain = encoded(picture(16, 16, "RGB"), "JPEG", optimize=True)
    app0 = plain.find(b"\xff\xe0")
    bare = plain[:app0] + plain[app0 + 18:]
    add("jpeg without JFIF", bare)
    sof = bare.find(b"\xff\xc0")
    letters = bytearray(bare)
    sos = letters.find(b"\xff\xda")
    for i, c in enumerate(b"RGB"):
        letters[sof + 10 + 3 * i] = c
        letters[sos + 5 + 2 * i] = c
    add("jpeg components named RGB", letters)
    standard = encoded(picture(16, 16, "RGB"), "JPEG")
    while (i := standard.find(b"\xff\xc4")) >= 0:
        standard = standard[:i] + standard[i + 2 + struct.unpack(">H", standard[i + 2:i + 4])[0]:]
    add("jpeg without Huffman tables", standard)
    add("jpeg 2 components", bytes(plain[:sof]) + b"\xff\xc0\x00\x0e\x08\x00\x10\x00\x10\x02\x01\x11\x00\x02\x11\x00" + plain[sos:])


def damaged():
    base = [encoded(picture(31, 30, "RGB"), "JPEG", quality=70, optimize=True),
            encoded(picture(31, 30, "RGB"), "JPEG", quality=70, progressive=True),
            encoded(picture(31, 30, "RGB"), "JPEG", quality=70, restart_marker_blocks=1)]
    for n, b in enumerate(base):
        sos = b.rfind(b"\xff\xda") if n == 1 else b.find(b"\xff\xda")
        add(f"jpeg {n} cut in a scan", b[:sos + (len(b) - sos) // 2])
        add(f"jpeg {n} without EOI", b[:-2])
        for k, part in enumerate((0.3, 0.5, 0.9)):
            add(f"jpeg {n} cut and ended {k}", b[:sos + int((len(b) - sos) * part)] + b"\xff\xd9")
        for k in range(6):
            d = bytearray(b)
            for _ in range(2):
                d[random.randrange(sos + 14, len(d) - 2)] = random.randrange(256)
            add(f"jpeg {n} with wrong bytes {k}", d)
        for k in range(3):
            p = random.randrange(sos + 14, len(b) - 30)
            add(f"jpeg {n} with bytes missing {k}", b[:p] + b[p + random.randrange(1, 20):])
    add("jpeg with noise before markers", base[0][:2] + b"\x00\x01\xff\xff" + base[0][2:])
    add("jpeg, header only", base[0][:base[0].find(b"\xff\xda")])
    add("jpeg, SOI only", b"\xff\xd8\xff")
    add("empty", b"")
    add("text", b"not a picture")


def smoothed():
    """Progressive files that end after each of their scans: libjpeg estimates what is missing."""
    for sampling, size in (("4:4:4", (40, 33)), ("4:2:0", (41, 70)), ("4:2:2", (9, 8))):
        b = encoded(picture(*size, "RGB"), "JPEG", quality=60, progressive=True, subsampling=sampling)
        starts = [i for i in range(len(b) - 1) if b[i] == 0xFF and b[i + 1] in (0xDA, 0xC4)]
        for n, end in enumerate(i for i in starts if b[i + 1] == 0xC4 and i > b.find(b"\xff\xda")):
            if n % 3 == 0 or size[0] > 40:
                add(f"jpeg {sampling} ended after scan {n}", b[:end] + b"\xff\xd9")


def cjpeg(path):
    scripts = ["0;\n1;\n2;\n", "0;\n1,2;\n",
               "0: 0-0,0,2;\n1,2:0-0,0,1;\n0:0-0,2,1;\n0,1,2:0-0,1,0;\n0:1-9,0,3;\n0:10-63,0,2;\n1:1-63,0,1;\n2:1-63,0,1;\n"
               "0:1-9,3,2;\n0:1-63,2,1;\n0:1-63,1,0;\n1:1-63,1,0;\n2:1-63,1,0;\n"]
    runs = [["-sample", s] for s in ("1x2", "4x1", "1x4", "4x2", "3x1", "2x2,2x1,1x2", "1x1,2x2,1x1", "2x1,1x2,1x1")]
    runs += [["-sample", "2x2", "-scans", s] for s in scripts] + [["-progressive", "-sample", s, "-restart", "1"] for s in ("1x2", "4x1")]
    for n, args in enumerate(runs):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            if "-scans" in args:
                f.write(args[-1])
                f.flush()
                args = args[:-1] + [f.name]
            a = photo(37, 26, 3)
            out = subprocess.run([path, "-quality", "80", "-optimize", *args], input=b"P6\n37 26\n255\n" + a.tobytes(), capture_output=True, check=True)
        add(f"cjpeg {n} {' '.join(runs[n][:2])}", out.stdout)


def chunk(tag, data):
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def packed(rows, depth):
    if depth >= 8:
        return [np.asarray(r, dtype=">u2" if depth == 16 else "u1").tobytes() for r in rows]
    out = []
    for r in rows:
        bits = "".join(format(int(v), f"0{depth}b") for v in r)
        bits += "0" * (-len(bits) % 8)
        out.append(bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)))
    return out


def filtered(rows, step):
    """Every row with a filter of its own."""
    out, prev = b"", bytes(len(rows[0]))
    for r in rows:
        kind, line = random.randrange(5), []
        for i, v in enumerate(r):
            a, b, c = (r[i - step] if i >= step else 0), prev[i], (prev[i - step] if i >= step else 0)
            q = a + b - c
            paeth = a if abs(q - a) <= min(abs(q - b), abs(q - c)) else b if abs(q - b) <= abs(q - c) else c
            line.append((v - (0, a, b, (a + b) // 2, paeth)[kind]) & 255)
        out, prev = out + bytes([kind]) + bytes(line), r
    return out


def png(colour, depth, interlaced, transparent, small=False):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    w, h = random.randrange(5, 20), random.randrange(5, 20)
    px = R.integers(0, 300 if small else 2**depth, (h, w, channels))
    colours = random.randrange(2, 2**depth + 1) if colour == 3 else 0
    if colour == 3:
        px %= colours
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x0, y0, dx, dy in passes:
        s = px[y0::dy, x0::dx]
        if s.size:
            raw += filtered(packed(s.reshape(s.shape[0], -1), depth), max(1, depth * channels // 8))
    d = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced))
    if colour == 3:
        d += chunk(b"PLTE", R.integers(0, 256, colours * 3, dtype=np.uint8).tobytes())
    if transparent:
        d += chunk(b"tRNS", R.integers(0, 256, colours, dtype=np.uint8).tobytes() if colour == 3 else struct.pack(f">{channels}H", *(int(v) for v in px[0, 0])))
    return d + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def pngs():
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            for interlaced in (0, 1):
                for transparent in (0, 1) if colour in (0, 2, 3) else (0,):
                    add(f"png colour type {colour}, {depth} bits, interlaced {interlaced}, tRNS {transparent}", png(colour, depth, interlaced, transparent))
    for transparent in (0, 1):
        add(f"png 16-bit grey around 255, tRNS {transparent}", png(0, 16, 0, transparent, small=True))
    whole = png(2, 8, 0, 0)
    add("png without end chunk", whole[:-12])
    add("png cut off", whole[:-40])
    bad = bytearray(whole)
    bad[20] ^= 1
    add("png with a wrong header checksum", bad)


def others():
    rgb, rgba = picture(23, 18, "RGB"), picture(23, 18, "RGBA")
    pal = rgb.quantize(40)
    for name, im in (("RGB", rgb), ("palette", pal), ("grey", rgb.convert("L")), ("1 bit", rgb.convert("1")), ("RGBA", rgba)):
        add(f"bmp {name}", encoded(im, "BMP"))
    add("gif", encoded(pal, "GIF"))
    add("gif transparent", encoded(pal, "GIF", transparency=3))
    add("gif animated", encoded(pal, "GIF", save_all=True, append_images=[rgb.rotate(180).quantize(20)]))
    for transparent in (False, True):
        g = bytearray(encoded(pal, "GIF", **({"transparency": 3} if transparent else {})))
        at = g.find(b"\x2c\x00\x00\x00\x00\x17\x00\x12\x00")
        g[6:10] = struct.pack("<HH", 30, 25)
        g[at + 1:at + 5] = struct.pack("<HH", 4, 3)
        add(f"gif smaller than its screen, transparent {transparent}", g)
    for w, h in ((1, 1), (2, 3), (23, 18)):
        add(f"webp lossy {w}x{h}", encoded(picture(w, h, "RGB"), "WEBP", quality=70))
    add("webp lossy with alpha", encoded(rgba, "WEBP", quality=70))
    add("webp lossless", encoded(picture(9, 8, "RGB"), "WEBP", lossless=True))
    add("webp lossless with alpha", encoded(picture(9, 8, "RGBA"), "WEBP", lossless=True, exact=True))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--cjpeg")
    p.add_argument("out")
    a = p.parse_args()
    jpegs()
    damaged()
    smoothed()
    if a.cjpeg:
        cjpeg(a.cjpeg)
    pngs()
    others()
    with open(a.out, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(e) for e in entries) + "\n]\n")
    print(len(entries), "entries,", sum("error" in e for e in entries), "refused by Pillow,", os.path.getsize(a.out), "bytes")

"""The parquet files in extract/dataset/testdata, as pyarrow (and so the Hugging Face hub) writes them.

    python make_parquet.py ../../extract/dataset/testdata

Python 3.11, pyarrow. Boxes in both layouts from the JSON files beside them, and a few made-up CV-Bench rows with
their images embedded as the hub embeds them: a struct of bytes and path.
"""
import json
import pathlib
import struct
import sys
import zlib

import pyarrow as pa
import pyarrow.parquet as pq


def png(grey, width=4, height=3):
    """A grey PNG."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    raw = (b'\0' + bytes([grey]) * width) * height
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))


RELATION = 'Considering the relative positions of the {0} and the {1} in the image provided, where is the {0} located with respect to the {1}?'
DEPTH = 'Which object is closer to the camera taking this photo, the {0} (highlighted by a red box) or the {1} (highlighted by a blue box)?'
CVBENCH = [
    ('2D', 'Relation', RELATION.format('bench', 'tree'), ['above', 'below'], '(B)'),
    ('2D', 'Relation', RELATION.format('cup (annotated by the red box)', 'door (annotated by the blue box)'), ['left', 'right'], '(A)'),
    ('2D', 'Count', 'How many chairs are in the image?', ['3', '1', '2', '0'], '(C)'),
    ('3D', 'Depth', DEPTH.format('books', 'table'), ['books', 'table'], '(A)'),
    ('3D', 'Depth', DEPTH.format('sofa', 'lamp'), ['sofa', 'lamp'], '(B)'),
    ('3D', 'Distance', 'Estimate the real-world distances between objects in this image. Which object is closer to the chair?', ['desk', 'bin'], '(A)'),
    ('2D', 'Relation', 'Where is everything?', ['left', 'right'], '(A)'),
]


def main(out):
    out = pathlib.Path(out)
    for name in ('mixed.bbox', 'mixed.bbox_records'):
        rows = json.loads((out / f'{name}.json').read_text())
        for r in rows:  # pyarrow wants one number type
            for o in ([r['objects']] if isinstance(r['objects'], dict) else r['objects']):
                o['bbox'] = [[float(v) for v in b] for b in o['bbox']] if isinstance(r['objects'], dict) else [float(v) for v in o['bbox']]
        pq.write_table(pa.Table.from_pylist(rows), out / f'{name}.parquet', row_group_size=40)
    rows = [{'idx': i, 'type': kind, 'task': task, 'image': {'bytes': png(i * 9), 'path': None}, 'question': q, 'choices': c, 'answer': a,
             'prompt': q, 'filename': f'img/{i}.png', 'source': 'COCO', 'source_dataset': 'COCO Relation', 'source_filename': '',
             'target_class': None, 'target_size': None, 'bbox': None} for i, (kind, task, q, c, a) in enumerate(CVBENCH)]
    pq.write_table(pa.Table.from_pylist(rows), out / 'cvbench.parquet', row_group_size=3)
    text = [{k: v for k, v in r.items() if k != 'image'} for r in rows]
    folder = out / 'cvbench'
    (folder / 'img').mkdir(parents=True, exist_ok=True)
    for name, of in (('test_2d.jsonl', '2D'), ('test_3d.jsonl', '3D')):
        (folder / name).write_text(''.join(json.dumps(r) + '\n' for r in text if r['type'] == of))
    for r in rows:
        (folder / r['filename']).write_bytes(r['image']['bytes'])


if __name__ == '__main__':
    main(*sys.argv[1:])

// Package vision turns image files into what a vision tower reads, bit for bit as the reference
// implementations do: Pillow's decoders and resizer, torchvision's resizers, and the processors of
// the model families.
//
// A family file calls Decode and then one of the processors:
//
//	Qwen2.5-VL, Qwen3-VL  QwenParams.Process   patches of a resized picture in merge-block order
//	NVILA                 NVILATiles           448×448 tiles of a stretched picture, and a thumbnail
//	Molmo                 MolmoParams.Process  overlapping crops of a padded picture, masks, token layout
//	Molmo2                Molmo2Params.Process overlapping crops of a stretched picture, pooling indices
//
// Everything is a pure function of its arguments: no state, no clocks, no environment. Loops that use
// two goroutines give each a range of rows of its own, so results do not depend on scheduling.
//
// Floating-point expressions follow the reference's order of operations. The Go compiler may fuse x*y+z into one
// rounding on arm64, ppc64, riscv64 and s390x; an explicit conversion around the product forbids it, and
// every product that feeds a sum here has one.
package vision

#include "textflag.h"

// Kernels over whole rows. All are bound by memory or by caches, so that AVX2 will do.

// func spreadAVX2(n int, dst unsafe.Pointer, step int, src unsafe.Pointer)
//
// Writes n > 0 vectors of 32 bytes step bytes apart.
TEXT ·spreadAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ step+16(FP), DX
	MOVQ src+24(FP), AX

loop:
	VMOVUPS (AX), Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, AX
	ADDQ DX, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func scatter32AVX2(n int, dst *float32, step int, x *float32, s float32)
//
// Writes s·x in n > 0 times sixteen values, step bytes apart.
TEXT ·scatter32AVX2(SB), NOSPLIT, $0-36
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ step+16(FP), DX
	MOVQ x+24(FP), AX
	VBROADCASTSS s+32(FP), Y2

loop:
	VMULPS (AX), Y2, Y0
	VMULPS 32(AX), Y2, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ $64, AX
	ADDQ DX, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func sub32AVX2(n int, dst, a, b *float32)
//
// dst = a − b; n is a positive multiple of 8.
TEXT ·sub32AVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ a+16(FP), AX
	MOVQ b+24(FP), BX
	SHRQ $3, CX

loop:
	VMOVUPS (AX), Y0
	VSUBPS (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, AX
	ADDQ $32, BX
	ADDQ $32, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func subSum32AVX2(n int, dst *float32, sum *float64, a, b *float32)
//
// dst = a − b, sum += dst; n is a positive multiple of 8. Adding up takes next to nothing while a and b are fetched.
TEXT ·subSum32AVX2(SB), NOSPLIT, $0-40
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ sum+16(FP), SI
	MOVQ a+24(FP), AX
	MOVQ b+32(FP), BX
	SHRQ $3, CX

loop:
	VMOVUPS (AX), Y0
	VSUBPS (BX), Y0, Y0
	VEXTRACTF128 $1, Y0, X2
	VCVTPS2PD X0, Y1
	VCVTPS2PD X2, Y2
	VADDPD (SI), Y1, Y1
	VADDPD 32(SI), Y2, Y2
	VMOVUPS Y0, (DI)
	VMOVUPD Y1, (SI)
	VMOVUPD Y2, 32(SI)
	ADDQ $32, AX
	ADDQ $32, BX
	ADDQ $32, DI
	ADDQ $64, SI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func addWideAVX2(n int, dst *float64, x *float32)
//
// dst += x; n is a positive multiple of 8.
TEXT ·addWideAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), AX
	SHRQ $3, CX

loop:
	VCVTPS2PD (AX), Y0
	VCVTPS2PD 16(AX), Y1
	VADDPD (DI), Y0, Y0
	VADDPD 32(DI), Y1, Y1
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	ADDQ $32, AX
	ADDQ $64, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func widenAVX2(n int, dst *float64, x *float32)
//
// dst = x; n is a positive multiple of 8.
TEXT ·widenAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), AX
	SHRQ $3, CX

loop:
	VCVTPS2PD (AX), Y0
	VCVTPS2PD 16(AX), Y1
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	ADDQ $32, AX
	ADDQ $64, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func squareAVX2(n int, x *float32) float64
//
// Σ_k x[k]²; n is a positive multiple of 16. Four accumulators of four lanes, each taking four of sixteen; they are added as (0+1)+(2+3),
// then lanes likewise.
TEXT ·squareAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), AX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	SHRQ $4, CX

loop:
	VCVTPS2PD (AX), Y4
	VCVTPS2PD 16(AX), Y5
	VCVTPS2PD 32(AX), Y6
	VCVTPS2PD 48(AX), Y7
	VFMADD231PD Y4, Y4, Y0
	VFMADD231PD Y5, Y5, Y1
	VFMADD231PD Y6, Y6, Y2
	VFMADD231PD Y7, Y7, Y3
	ADDQ $64, AX
	DECQ CX
	JNZ loop

	VADDPD Y1, Y0, Y0
	VADDPD Y3, Y2, Y2
	VADDPD Y2, Y0, Y0
	VHADDPD Y0, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDSD X1, X0, X0
	VMOVSD X0, ret+16(FP)
	VZEROUPPER
	RET

// ADDPAIR adds the lanes of two accumulators, p and q, as (0+1)+(2+3) to two values of c.
#define ADDPAIR(p, q, x, to) \
	VHADDPD q, p, p; \
	VEXTRACTF128 $1, p, X15; \
	VADDPD X15, x, x; \
	VADDPD to, x, x; \
	VMOVUPD x, to

// ADDLAST adds those of one.
#define ADDLAST(p, x, to) \
	VHADDPD p, p, p; \
	VEXTRACTF128 $1, p, X15; \
	VADDSD X15, x, x; \
	VADDSD to, x, x; \
	VMOVSD x, to

// func dots2AVX2(n int, x *float32, a, b *float64, c *float64)
//
// c[0] += Σ_k x[k] a[k], c[1] += Σ_k x[k] b[k]; n is a positive multiple of 8. Two accumulators of four lanes for each product, taking the lower
// and the upper four of eight; they are added to each other, then lanes as (0+1)+(2+3).
TEXT ·dots2AVX2(SB), NOSPLIT, $0-40
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), AX
	MOVQ a+16(FP), R8
	MOVQ b+24(FP), R9
	MOVQ c+32(FP), DI
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	SHRQ $3, CX

loop:
	VCVTPS2PD (AX), Y4
	VCVTPS2PD 16(AX), Y5
	VFMADD231PD (R8), Y4, Y0
	VFMADD231PD (R9), Y4, Y1
	VFMADD231PD 32(R8), Y5, Y2
	VFMADD231PD 32(R9), Y5, Y3
	ADDQ $32, AX
	ADDQ $64, R8
	ADDQ $64, R9
	DECQ CX
	JNZ loop

	VADDPD Y2, Y0, Y0
	VADDPD Y3, Y1, Y1
	ADDPAIR(Y0, Y1, X0, (DI))
	VZEROUPPER
	RET

// func dots3AVX2(n int, x, y *float32, c *float64)
//
// c += ⟨x, x⟩, ⟨x, y⟩, ⟨y, y⟩; n is a positive multiple of 8. Accumulators as in dots2AVX2.
TEXT ·dots3AVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), AX
	MOVQ y+16(FP), BX
	MOVQ c+24(FP), DI
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	SHRQ $3, CX

loop:
	VCVTPS2PD (AX), Y6
	VCVTPS2PD 16(AX), Y7
	VCVTPS2PD (BX), Y8
	VCVTPS2PD 16(BX), Y9
	VFMADD231PD Y6, Y6, Y0
	VFMADD231PD Y8, Y6, Y1
	VFMADD231PD Y8, Y8, Y2
	VFMADD231PD Y7, Y7, Y3
	VFMADD231PD Y9, Y7, Y4
	VFMADD231PD Y9, Y9, Y5
	ADDQ $32, AX
	ADDQ $32, BX
	DECQ CX
	JNZ loop

	VADDPD Y3, Y0, Y0
	VADDPD Y4, Y1, Y1
	VADDPD Y5, Y2, Y2
	ADDPAIR(Y0, Y1, X0, (DI))
	ADDLAST(Y2, X2, 16(DI))
	VZEROUPPER
	RET

// func dots7AVX2(n int, x, y, a, b *float64, c *float64)
//
// c += ⟨x, a⟩, ⟨x, b⟩, ⟨y, a⟩, ⟨y, b⟩, ⟨x, x⟩, ⟨y, y⟩, ⟨x, y⟩; n is a positive multiple of 4. One accumulator of four lanes for each product, added as
// (0+1)+(2+3).
TEXT ·dots7AVX2(SB), NOSPLIT, $0-48
	MOVQ n+0(FP), CX
	MOVQ x+8(FP), AX
	MOVQ y+16(FP), BX
	MOVQ a+24(FP), R8
	MOVQ b+32(FP), R9
	MOVQ c+40(FP), DI
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	XORQ DX, DX
	SHRQ $2, CX

loop:
	VMOVUPD (AX)(DX*1), Y8
	VMOVUPD (BX)(DX*1), Y9
	VMOVUPD (R8)(DX*1), Y10
	VMOVUPD (R9)(DX*1), Y11
	VFMADD231PD Y10, Y8, Y0
	VFMADD231PD Y11, Y8, Y1
	VFMADD231PD Y10, Y9, Y2
	VFMADD231PD Y11, Y9, Y3
	VFMADD231PD Y8, Y8, Y4
	VFMADD231PD Y9, Y9, Y5
	VFMADD231PD Y9, Y8, Y6
	ADDQ $32, DX
	DECQ CX
	JNZ loop

	ADDPAIR(Y0, Y1, X0, (DI))
	ADDPAIR(Y2, Y3, X2, 16(DI))
	ADDPAIR(Y4, Y5, X4, 32(DI))
	ADDLAST(Y6, X6, 48(DI))
	VZEROUPPER
	RET

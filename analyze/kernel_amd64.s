#include "textflag.h"

// func tileAVX2(n int, a *float64, lda int, b *float64, ldb int, c *float64, ldc int)
//
// c[j*ldc+i] += Σ_k a[i*lda+k] b[j*ldb+k] for i < 4, j < 3; n is a positive multiple of 4. Twelve accumulators of
// four lanes, lane t taking k ≡ t (mod 4) in ascending order; lanes are added as (0+1)+(2+3). tile does
// the same in Go, to the bit.
TEXT ·tileAVX2(SB), NOSPLIT, $0-56
	MOVQ n+0(FP), CX
	MOVQ a+8(FP), AX
	MOVQ lda+16(FP), R8
	MOVQ b+24(FP), BX
	MOVQ ldb+32(FP), R10
	MOVQ c+40(FP), DI
	MOVQ ldc+48(FP), R11
	SHLQ $3, R8
	SHLQ $3, R10
	SHLQ $3, R11
	LEAQ (R8)(R8*2), R9
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7
	VXORPD Y8, Y8, Y8
	VXORPD Y9, Y9, Y9
	VXORPD Y10, Y10, Y10
	VXORPD Y11, Y11, Y11
	SHRQ $2, CX

loop:
	VMOVUPD (BX), Y12
	VMOVUPD (BX)(R10*1), Y13
	VMOVUPD (BX)(R10*2), Y14
	VMOVUPD (AX), Y15
	VFMADD231PD Y12, Y15, Y0
	VFMADD231PD Y13, Y15, Y1
	VFMADD231PD Y14, Y15, Y2
	VMOVUPD (AX)(R8*1), Y15
	VFMADD231PD Y12, Y15, Y3
	VFMADD231PD Y13, Y15, Y4
	VFMADD231PD Y14, Y15, Y5
	VMOVUPD (AX)(R8*2), Y15
	VFMADD231PD Y12, Y15, Y6
	VFMADD231PD Y13, Y15, Y7
	VFMADD231PD Y14, Y15, Y8
	VMOVUPD (AX)(R9*1), Y15
	VFMADD231PD Y12, Y15, Y9
	VFMADD231PD Y13, Y15, Y10
	VFMADD231PD Y14, Y15, Y11
	ADDQ $32, AX
	ADDQ $32, BX
	DECQ CX
	JNZ loop

	VHADDPD Y3, Y0, Y0
	VHADDPD Y9, Y6, Y6
	VPERM2F128 $0x20, Y6, Y0, Y12
	VPERM2F128 $0x31, Y6, Y0, Y13
	VADDPD Y13, Y12, Y12
	VADDPD (DI), Y12, Y12
	VMOVUPD Y12, (DI)
	VHADDPD Y4, Y1, Y1
	VHADDPD Y10, Y7, Y7
	VPERM2F128 $0x20, Y7, Y1, Y12
	VPERM2F128 $0x31, Y7, Y1, Y13
	VADDPD Y13, Y12, Y12
	VADDPD (DI)(R11*1), Y12, Y12
	VMOVUPD Y12, (DI)(R11*1)
	VHADDPD Y5, Y2, Y2
	VHADDPD Y11, Y8, Y8
	VPERM2F128 $0x20, Y8, Y2, Y12
	VPERM2F128 $0x31, Y8, Y2, Y13
	VADDPD Y13, Y12, Y12
	VADDPD (DI)(R11*2), Y12, Y12
	VMOVUPD Y12, (DI)(R11*2)
	VZEROUPPER
	RET

// func tile32AVX2(n int, a *float32, lda int, b *float32, ldb int, c *float64, ldc int)
//
// The same for float32 rows and n a positive multiple of 8: eight lanes, added as ((0+1)+(2+3))+((4+5)+(6+7)) in float32, and
// that sum added to c in float64.
TEXT ·tile32AVX2(SB), NOSPLIT, $0-56
	MOVQ n+0(FP), CX
	MOVQ a+8(FP), AX
	MOVQ lda+16(FP), R8
	MOVQ b+24(FP), BX
	MOVQ ldb+32(FP), R10
	MOVQ c+40(FP), DI
	MOVQ ldc+48(FP), R11
	SHLQ $2, R8
	SHLQ $2, R10
	SHLQ $3, R11
	LEAQ (R8)(R8*2), R9
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	SHRQ $3, CX

loop32:
	VMOVUPS (BX), Y12
	VMOVUPS (BX)(R10*1), Y13
	VMOVUPS (BX)(R10*2), Y14
	VMOVUPS (AX), Y15
	VFMADD231PS Y12, Y15, Y0
	VFMADD231PS Y13, Y15, Y1
	VFMADD231PS Y14, Y15, Y2
	VMOVUPS (AX)(R8*1), Y15
	VFMADD231PS Y12, Y15, Y3
	VFMADD231PS Y13, Y15, Y4
	VFMADD231PS Y14, Y15, Y5
	VMOVUPS (AX)(R8*2), Y15
	VFMADD231PS Y12, Y15, Y6
	VFMADD231PS Y13, Y15, Y7
	VFMADD231PS Y14, Y15, Y8
	VMOVUPS (AX)(R9*1), Y15
	VFMADD231PS Y12, Y15, Y9
	VFMADD231PS Y13, Y15, Y10
	VFMADD231PS Y14, Y15, Y11
	ADDQ $32, AX
	ADDQ $32, BX
	DECQ CX
	JNZ loop32

	VHADDPS Y3, Y0, Y0
	VHADDPS Y9, Y6, Y6
	VHADDPS Y6, Y0, Y0
	VEXTRACTF128 $1, Y0, X12
	VADDPS X12, X0, X0
	VCVTPS2PD X0, Y12
	VADDPD (DI), Y12, Y12
	VMOVUPD Y12, (DI)
	VHADDPS Y4, Y1, Y1
	VHADDPS Y10, Y7, Y7
	VHADDPS Y7, Y1, Y1
	VEXTRACTF128 $1, Y1, X12
	VADDPS X12, X1, X1
	VCVTPS2PD X1, Y12
	VADDPD (DI)(R11*1), Y12, Y12
	VMOVUPD Y12, (DI)(R11*1)
	VHADDPS Y5, Y2, Y2
	VHADDPS Y11, Y8, Y8
	VHADDPS Y8, Y2, Y2
	VEXTRACTF128 $1, Y2, X12
	VADDPS X12, X2, X2
	VCVTPS2PD X2, Y12
	VADDPD (DI)(R11*2), Y12, Y12
	VMOVUPD Y12, (DI)(R11*2)
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

loopsub:
	VMOVUPS (AX), Y0
	VSUBPS (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, AX
	ADDQ $32, BX
	ADDQ $32, DI
	DECQ CX
	JNZ loopsub
	VZEROUPPER
	RET

// func addWideAVX2(n int, dst *float64, x *float32)
//
// dst += x; n is a positive multiple of 4.
TEXT ·addWideAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), AX
	SHRQ $2, CX

loopadd:
	VCVTPS2PD (AX), Y0
	VADDPD (DI), Y0, Y0
	VMOVUPD Y0, (DI)
	ADDQ $16, AX
	ADDQ $32, DI
	DECQ CX
	JNZ loopadd
	VZEROUPPER
	RET

// func widenAVX2(n int, dst *float64, x *float32)
//
// dst = x; n is a positive multiple of 4.
TEXT ·widenAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ dst+8(FP), DI
	MOVQ x+16(FP), AX
	SHRQ $2, CX

loopwiden:
	VCVTPS2PD (AX), Y0
	VMOVUPD Y0, (DI)
	ADDQ $16, AX
	ADDQ $32, DI
	DECQ CX
	JNZ loopwiden
	VZEROUPPER
	RET

// func four32AVX2(n int, a, b0, b1, b2, b3 *float32, c *float64)
//
// c[j] += Σ_k a[k] bj[k]; n is a positive multiple of 16. Two accumulators of eight lanes for each product, taking the lower and the
// upper eight of sixteen; they are added to each other, then lanes as in tile32AVX2.
TEXT ·four32AVX2(SB), NOSPLIT, $0-56
	MOVQ n+0(FP), CX
	MOVQ a+8(FP), AX
	MOVQ b0+16(FP), R8
	MOVQ b1+24(FP), R9
	MOVQ b2+32(FP), R10
	MOVQ b3+40(FP), R11
	MOVQ c+48(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ DX, DX
	SHRQ $4, CX

loopfour:
	VMOVUPS (AX)(DX*1), Y8
	VMOVUPS 32(AX)(DX*1), Y9
	VFMADD231PS (R8)(DX*1), Y8, Y0
	VFMADD231PS (R9)(DX*1), Y8, Y1
	VFMADD231PS (R10)(DX*1), Y8, Y2
	VFMADD231PS (R11)(DX*1), Y8, Y3
	VFMADD231PS 32(R8)(DX*1), Y9, Y4
	VFMADD231PS 32(R9)(DX*1), Y9, Y5
	VFMADD231PS 32(R10)(DX*1), Y9, Y6
	VFMADD231PS 32(R11)(DX*1), Y9, Y7
	ADDQ $64, DX
	DECQ CX
	JNZ loopfour

	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	VADDPS Y6, Y2, Y2
	VADDPS Y7, Y3, Y3
	VHADDPS Y1, Y0, Y0
	VHADDPS Y3, Y2, Y2
	VHADDPS Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X12
	VADDPS X12, X0, X0
	VCVTPS2PD X0, Y12
	VADDPD (DI), Y12, Y12
	VMOVUPD Y12, (DI)
	VZEROUPPER
	RET

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

loopdots:
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
	JNZ loopdots

	VADDPD Y2, Y0, Y0
	VADDPD Y3, Y1, Y1
	VHADDPD Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD X1, X0, X0
	VADDPD (DI), X0, X0
	VMOVUPD X0, (DI)
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

loopsquare:
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
	JNZ loopsquare

	VADDPD Y1, Y0, Y0
	VADDPD Y3, Y2, Y2
	VADDPD Y2, Y0, Y0
	VHADDPD Y0, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDSD X1, X0, X0
	VMOVSD X0, ret+16(FP)
	VZEROUPPER
	RET

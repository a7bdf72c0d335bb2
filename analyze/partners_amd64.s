#include "textflag.h"

// Partners: c[p] += Σ_i Σ_t u[i, t] w[at[i, p], t] for p < 20, i < n and sixteen lanes t; at are offsets in bytes, n is positive. Each product has its
// own lanes of an accumulator, i ascending; the lower eight lanes are added to the upper, then as ((0+1)+(2+3))+((4+5)+(6+7)) in float32, then to c.

// OFFSETS fetches two offsets.
#define OFFSETS(from) \
	MOVQ from, R8; \
	MOVL R8, R9; \
	SHRQ $32, R8

// SUM4 adds the lanes of four halves to four values of c.
#define SUM4(p, q, r, s, px, rx, to) \
	VHADDPS q, p, p; \
	VHADDPS s, r, r; \
	VHADDPS r, p, p; \
	VEXTRACTF128 $1, p, rx; \
	VADDPS rx, px, px; \
	VCVTPS2PD px, p; \
	VADDPD to, p, p; \
	VMOVUPD p, to

// func partners32AVX2(n int, u, w *float32, at *uint32, c *float64)
//
// Five partners at a time.
TEXT ·partners32AVX2(SB), NOSPLIT, $0-40
	MOVQ w+16(FP), BX
	MOVQ c+32(FP), DI
	XORQ DX, DX

five:
	MOVQ n+0(FP), CX
	MOVQ u+8(FP), AX
	MOVQ at+24(FP), SI
	ADDQ DX, SI
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

loop:
	VMOVUPS (AX), Y10
	VMOVUPS 32(AX), Y11
	OFFSETS((SI))
	VFMADD231PS (BX)(R9*1), Y10, Y0
	VFMADD231PS 32(BX)(R9*1), Y11, Y5
	VFMADD231PS (BX)(R8*1), Y10, Y1
	VFMADD231PS 32(BX)(R8*1), Y11, Y6
	OFFSETS(8(SI))
	VFMADD231PS (BX)(R9*1), Y10, Y2
	VFMADD231PS 32(BX)(R9*1), Y11, Y7
	VFMADD231PS (BX)(R8*1), Y10, Y3
	VFMADD231PS 32(BX)(R8*1), Y11, Y8
	MOVL 16(SI), R9
	VFMADD231PS (BX)(R9*1), Y10, Y4
	VFMADD231PS 32(BX)(R9*1), Y11, Y9
	ADDQ $64, AX
	ADDQ $80, SI
	DECQ CX
	JNZ loop

	VADDPS Y5, Y0, Y0
	VADDPS Y6, Y1, Y1
	VADDPS Y7, Y2, Y2
	VADDPS Y8, Y3, Y3
	VADDPS Y9, Y4, Y4
	SUM4(Y0, Y1, Y2, Y3, X0, X2, (DI))
	VHADDPS Y4, Y4, Y4
	VHADDPS Y4, Y4, Y4
	VEXTRACTF128 $1, Y4, X1
	VADDSS X1, X4, X4
	VCVTSS2SD X4, X4, X4
	VADDSD 32(DI), X4, X4
	VMOVSD X4, 32(DI)
	ADDQ $40, DI
	ADDQ $20, DX
	CMPQ DX, $80
	JNE five
	VZEROUPPER
	RET

#define TWO(from, p, q) \
	OFFSETS(from); \
	VFMADD231PS (BX)(R9*1), Z20, p; \
	VFMADD231PS (BX)(R8*1), Z20, q

// FOLD adds the upper half of p to the lower.
#define FOLD(p, to) \
	VSHUFF64X2 $0xEE, p, p, Z21; \
	VADDPS Z21, p, to

// func partners32AVX512(n int, u, w *float32, at *uint32, c *float64)
TEXT ·partners32AVX512(SB), NOSPLIT, $0-40
	MOVQ n+0(FP), CX
	MOVQ u+8(FP), AX
	MOVQ w+16(FP), BX
	MOVQ at+24(FP), SI
	MOVQ c+32(FP), DI
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	VPXORQ Z8, Z8, Z8
	VPXORQ Z9, Z9, Z9
	VPXORQ Z10, Z10, Z10
	VPXORQ Z11, Z11, Z11
	VPXORQ Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z14, Z14, Z14
	VPXORQ Z15, Z15, Z15
	VPXORQ Z16, Z16, Z16
	VPXORQ Z17, Z17, Z17
	VPXORQ Z18, Z18, Z18
	VPXORQ Z19, Z19, Z19

loop:
	VMOVUPS (AX), Z20
	TWO((SI), Z0, Z1)
	TWO(8(SI), Z2, Z3)
	TWO(16(SI), Z4, Z5)
	TWO(24(SI), Z6, Z7)
	TWO(32(SI), Z8, Z9)
	TWO(40(SI), Z10, Z11)
	TWO(48(SI), Z12, Z13)
	TWO(56(SI), Z14, Z15)
	TWO(64(SI), Z16, Z17)
	TWO(72(SI), Z18, Z19)
	ADDQ $64, AX
	ADDQ $80, SI
	DECQ CX
	JNZ loop

	FOLD(Z0, Z0)
	FOLD(Z1, Z1)
	FOLD(Z2, Z2)
	FOLD(Z3, Z3)
	SUM4(Y0, Y1, Y2, Y3, X0, X2, (DI))
	FOLD(Z4, Z4)
	FOLD(Z5, Z5)
	FOLD(Z6, Z6)
	FOLD(Z7, Z7)
	SUM4(Y4, Y5, Y6, Y7, X4, X6, 32(DI))
	FOLD(Z8, Z8)
	FOLD(Z9, Z9)
	FOLD(Z10, Z10)
	FOLD(Z11, Z11)
	SUM4(Y8, Y9, Y10, Y11, X8, X10, 64(DI))
	FOLD(Z12, Z12)
	FOLD(Z13, Z13)
	FOLD(Z14, Z14)
	FOLD(Z15, Z15)
	SUM4(Y12, Y13, Y14, Y15, X12, X14, 96(DI))
	FOLD(Z16, Z0)
	FOLD(Z17, Z1)
	FOLD(Z18, Z2)
	FOLD(Z19, Z3)
	SUM4(Y0, Y1, Y2, Y3, X0, X2, 128(DI))
	VZEROUPPER
	RET

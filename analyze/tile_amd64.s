#include "textflag.h"

// Tiles: c[j*ldc+i] += Σ_k a[i, k] b[j, k] for i < 4, j < 12. Rows of a are row values apart, the 32 bytes of their lanes step; those
// of b's twelve rows lie side by side. Each product has its own lanes of an accumulator, lane t taking k ≡ t in ascending order; lanes are added as
// (0+1)+(2+3), and of eight ((0+1)+(2+3))+((4+5)+(6+7)) in float32, then added to c in float64.

// Registers of every tile: AX, BX rows; R8, R9 one and three rows of a; R10 step of a; DI, R11, R12 c and one and three rows of it; CX steps.
#define ARGUMENTS(shift) \
	MOVQ steps+0(FP), CX; \
	MOVQ a+8(FP), AX; \
	MOVQ row+16(FP), R8; \
	MOVQ step+24(FP), R10; \
	MOVQ b+32(FP), BX; \
	MOVQ c+40(FP), DI; \
	MOVQ ldc+48(FP), R11; \
	SHLQ $shift, R8; \
	SHLQ $shift, R10; \
	SHLQ $3, R11; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R11)(R11*2), R12

// AVX2: four times 4×3 products in twelve accumulators, Y(4j+i).

#define CLEAR12 \
	VXORPD Y0, Y0, Y0; \
	VXORPD Y1, Y1, Y1; \
	VXORPD Y2, Y2, Y2; \
	VXORPD Y3, Y3, Y3; \
	VXORPD Y4, Y4, Y4; \
	VXORPD Y5, Y5, Y5; \
	VXORPD Y6, Y6, Y6; \
	VXORPD Y7, Y7, Y7; \
	VXORPD Y8, Y8, Y8; \
	VXORPD Y9, Y9, Y9; \
	VXORPD Y10, Y10, Y10; \
	VXORPD Y11, Y11, Y11

#define STEP12(fma) \
	VMOVUPD (BX), Y12; \
	VMOVUPD 32(BX), Y13; \
	VMOVUPD 64(BX), Y14; \
	VMOVUPD (AX), Y15; \
	fma Y12, Y15, Y0; \
	fma Y13, Y15, Y4; \
	fma Y14, Y15, Y8; \
	VMOVUPD (AX)(R8*1), Y15; \
	fma Y12, Y15, Y1; \
	fma Y13, Y15, Y5; \
	fma Y14, Y15, Y9; \
	VMOVUPD (AX)(R8*2), Y15; \
	fma Y12, Y15, Y2; \
	fma Y13, Y15, Y6; \
	fma Y14, Y15, Y10; \
	VMOVUPD (AX)(R9*1), Y15; \
	fma Y12, Y15, Y3; \
	fma Y13, Y15, Y7; \
	fma Y14, Y15, Y11; \
	ADDQ R10, AX; \
	ADDQ $384, BX

// ADD64 adds four accumulators up and the sums to four values of c; ADD32 likewise.
#define ADD64(p, q, r, s, to) \
	VHADDPD q, p, p; \
	VHADDPD s, r, r; \
	VPERM2F128 $0x20, r, p, Y12; \
	VPERM2F128 $0x31, r, p, Y13; \
	VADDPD Y13, Y12, Y12; \
	VADDPD to, Y12, Y12; \
	VMOVUPD Y12, to

#define ADD32(p, q, r, s, x, to) \
	VHADDPS q, p, p; \
	VHADDPS s, r, r; \
	VHADDPS r, p, p; \
	VEXTRACTF128 $1, p, X12; \
	VADDPS X12, x, X12; \
	VCVTPS2PD X12, Y12; \
	VADDPD to, Y12, Y12; \
	VMOVUPD Y12, to

// NEXT3 goes back to the first lanes, three rows of b further on.
#define NEXT3 \
	ADDQ R12, DI; \
	MOVQ steps+0(FP), CX; \
	MOVQ a+8(FP), AX; \
	ADDQ $96, DX; \
	MOVQ b+32(FP), BX; \
	ADDQ DX, BX

// func tile64AVX2(steps int, a *float64, row, step int, b *float64, c *float64, ldc int)
TEXT ·tile64AVX2(SB), NOSPLIT, $0-56
	ARGUMENTS(3)
	XORQ DX, DX

three:
	CLEAR12

loop:
	STEP12(VFMADD231PD)
	DECQ CX
	JNZ loop
	ADD64(Y0, Y1, Y2, Y3, (DI))
	ADD64(Y4, Y5, Y6, Y7, (DI)(R11*1))
	ADD64(Y8, Y9, Y10, Y11, (DI)(R11*2))
	NEXT3
	CMPQ DX, $384
	JNE three
	VZEROUPPER
	RET

// func tile32AVX2(steps int, a *float32, row, step int, b *float32, c *float64, ldc int)
TEXT ·tile32AVX2(SB), NOSPLIT, $0-56
	ARGUMENTS(2)
	XORQ DX, DX

three:
	CLEAR12

loop:
	STEP12(VFMADD231PS)
	DECQ CX
	JNZ loop
	ADD32(Y0, Y1, Y2, Y3, X0, (DI))
	ADD32(Y4, Y5, Y6, Y7, X4, (DI)(R11*1))
	ADD32(Y8, Y9, Y10, Y11, X8, (DI)(R11*2))
	NEXT3
	CMPQ DX, $384
	JNE three
	VZEROUPPER
	RET

// AVX-512: all products at once in 24 accumulators, Z(4p+i) for row i of a and the rows 2p and 2p+1 of b, in the lower and the upper half.

#define CLEAR4(p, q, r, s) \
	VPXORQ p, p, p; \
	VPXORQ q, q, q; \
	VPXORQ r, r, r; \
	VPXORQ s, s, s

#define CLEAR24 \
	CLEAR4(Z0, Z1, Z2, Z3); \
	CLEAR4(Z4, Z5, Z6, Z7); \
	CLEAR4(Z8, Z9, Z10, Z11); \
	CLEAR4(Z12, Z13, Z14, Z15); \
	CLEAR4(Z16, Z17, Z18, Z19); \
	CLEAR4(Z20, Z21, Z22, Z23)

#define PAIR(fma, at, b, p, q, r, s) \
	VMOVUPD at(BX), b; \
	fma b, Z24, p; \
	fma b, Z25, q; \
	fma b, Z26, r; \
	fma b, Z27, s

#define STEP24(fma) \
	VBROADCASTF64X4 (AX), Z24; \
	VBROADCASTF64X4 (AX)(R8*1), Z25; \
	VBROADCASTF64X4 (AX)(R8*2), Z26; \
	VBROADCASTF64X4 (AX)(R9*1), Z27; \
	PAIR(fma, 0, Z28, Z0, Z1, Z2, Z3); \
	PAIR(fma, 64, Z29, Z4, Z5, Z6, Z7); \
	PAIR(fma, 128, Z30, Z8, Z9, Z10, Z11); \
	PAIR(fma, 192, Z31, Z12, Z13, Z14, Z15); \
	PAIR(fma, 256, Z28, Z16, Z17, Z18, Z19); \
	PAIR(fma, 320, Z29, Z20, Z21, Z22, Z23); \
	ADDQ R10, AX; \
	ADDQ $384, BX

// SUM64 leaves the sums of a pair's accumulators in p, row 2p in the lower half.
#define SUM64(p, q, r, s) \
	VUNPCKLPD q, p, Z28; \
	VUNPCKHPD q, p, Z29; \
	VADDPD Z29, Z28, p; \
	VUNPCKLPD s, r, Z28; \
	VUNPCKHPD s, r, Z29; \
	VADDPD Z29, Z28, r; \
	VSHUFF64X2 $0x88, r, p, Z28; \
	VSHUFF64X2 $0xDD, r, p, Z29; \
	VADDPD Z29, Z28, p; \
	VSHUFF64X2 $0xD8, p, p, p

// HADD32 adds neighbours within quarters, as VHADDPS does of halves.
#define HADD32(p, q) \
	VSHUFPS $0x88, q, p, Z28; \
	VSHUFPS $0xDD, q, p, Z29; \
	VADDPS Z29, Z28, p

// SUM32 leaves the sums of two pairs' accumulators in p, a quarter for each row of b.
#define SUM32(p, q, r, s, t, u, v, w) \
	HADD32(p, q); \
	HADD32(r, s); \
	HADD32(p, r); \
	HADD32(t, u); \
	HADD32(v, w); \
	HADD32(t, v); \
	VSHUFF32X4 $0x88, t, p, Z28; \
	VSHUFF32X4 $0xDD, t, p, Z29; \
	VADDPS Z29, Z28, p

// ADD2 adds p to two rows of c and goes to the next.
#define ADD2(z, y) \
	VADDPD (DI), y, Y1; \
	VMOVUPD Y1, (DI); \
	VEXTRACTF64X4 $1, z, Y2; \
	VADDPD (DI)(R11*1), Y2, Y2; \
	VMOVUPD Y2, (DI)(R11*1); \
	LEAQ (DI)(R11*2), DI

// ADD4 adds a quarter of p to each of four rows of c.
#define ADD4(z, y) \
	VCVTPS2PD y, Z3; \
	ADD2(Z3, Y3); \
	VEXTRACTF64X4 $1, z, Y4; \
	VCVTPS2PD Y4, Z3; \
	ADD2(Z3, Y3)

// func tile64AVX512(steps int, a *float64, row, step int, b *float64, c *float64, ldc int)
TEXT ·tile64AVX512(SB), NOSPLIT, $0-56
	ARGUMENTS(3)
	CLEAR24

loop:
	STEP24(VFMADD231PD)
	DECQ CX
	JNZ loop
	SUM64(Z0, Z1, Z2, Z3)
	SUM64(Z4, Z5, Z6, Z7)
	SUM64(Z8, Z9, Z10, Z11)
	SUM64(Z12, Z13, Z14, Z15)
	SUM64(Z16, Z17, Z18, Z19)
	SUM64(Z20, Z21, Z22, Z23)
	VMOVAPD Z16, Z14
	VMOVAPD Z20, Z15
	ADD2(Z0, Y0)
	ADD2(Z4, Y4)
	ADD2(Z8, Y8)
	ADD2(Z12, Y12)
	ADD2(Z14, Y14)
	ADD2(Z15, Y15)
	VZEROUPPER
	RET

// func tile32AVX512(steps int, a *float32, row, step int, b *float32, c *float64, ldc int)
TEXT ·tile32AVX512(SB), NOSPLIT, $0-56
	ARGUMENTS(2)
	CLEAR24

loop:
	STEP24(VFMADD231PS)
	DECQ CX
	JNZ loop
	SUM32(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	SUM32(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	SUM32(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)
	VMOVAPD Z16, Z9
	ADD4(Z0, Y0)
	ADD4(Z8, Y8)
	ADD4(Z9, Y9)
	VZEROUPPER
	RET

/* Constants of the accurate integer inverse DCT (Loeffler, Ligtenberg and Moschytz 1989, with 12 multiplications) in
 * the 13-bit fixed point of libjpeg's "islow". */
#ifndef IMAGES_JPEG_DCT_H
#define IMAGES_JPEG_DCT_H

enum {
  DCT_CONST_BITS = 13,
  DCT_PASS1_BITS = 2, /* fraction bits kept between the two passes */
  DCT_COLUMN_SHIFT = DCT_CONST_BITS - DCT_PASS1_BITS,
  DCT_ROW_SHIFT = DCT_CONST_BITS + DCT_PASS1_BITS + 3,
  F_0_298 = 2446,
  F_0_390 = 3196,
  F_0_541 = 4433,
  F_0_765 = 6270,
  F_0_899 = 7373,
  F_1_175 = 9633,
  F_1_501 = 12299,
  F_1_847 = 15137,
  F_1_961 = 16069,
  F_2_053 = 16819,
  F_2_562 = 20995,
  F_3_072 = 25172,
};

#endif

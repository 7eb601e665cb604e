
BprobabilitiesJ(6K;ôÓ?;px?Õ£;ø.;3jg;ŒI‘;äÑ’;ç—~;°m;
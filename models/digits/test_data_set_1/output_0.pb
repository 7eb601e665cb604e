
BprobabilitiesJ(Jь,;А€r?/3Д;7—„;Бu:l≥?;!†м:KЌЧ;µ”<Теµ:
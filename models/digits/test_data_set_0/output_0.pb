
BprobabilitiesJ(jÅx?¼ƒ½:íÑX;¥p ;…y;®RM;¾†;\;÷:¾na;
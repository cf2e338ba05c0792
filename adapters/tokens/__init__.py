"""Bearer tokens: who a caller is, as an issuer signed it."""

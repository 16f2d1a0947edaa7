"""Pure knowledge that every stage shares: assets, candles, money, performance. No I/O, no clock."""

"""What the pages share: router, theme, texts, charts, tables."""

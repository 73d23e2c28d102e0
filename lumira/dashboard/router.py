"""The script Streamlit runs: the pages and the way between them."""

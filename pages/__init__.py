"""The pages of the dashboard, one file each; lumira/dashboard/router.py runs them."""

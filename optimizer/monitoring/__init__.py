"""How the machine is and was: samples, trends, health, alerts."""

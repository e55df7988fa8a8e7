"""The account of a run: record, store, migrations, predictions, provenance."""

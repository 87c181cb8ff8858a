"""What int8 costs real models, on labelled data: `scripts/bench accuracy`."""

"""What a user would write without this project; kept to be measured against it."""

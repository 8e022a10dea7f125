# sdk.event

SELECT event_id AS item FROM access_events WHERE action IN ('dataset.read','dataset.view.read') AND purpose_id='training' AND decision='allow' AND ts>=$start AND ts<$end

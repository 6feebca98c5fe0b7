package freshet.lists;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.Row;

/**
 * Gathers the bytes of the first column into batches: one is full, or has waited long enough, or a checkpoint comes.
 *
 * <p>It keeps no state. While what follows is busy with a batch, the next one waits in the input of its chain, all of it. A
 * Kafka source that is chained to something slow has two small fetches at hand afterwards, and the rest is still at the broker.
 */
final class Gather extends AbstractStreamOperator<Row>
        implements OneInputStreamOperator<RowData, Row>, ProcessingTimeService.ProcessingTimeCallback {
    private static final long serialVersionUID = 1L;

    private final int most;
    private final long waitMs;
    private transient List<byte[]> waiting;

    Gather(int most, long waitMs) {
        this.most = most;
        this.waitMs = waitMs;
    }

    @Override
    public void open() {
        waiting = new ArrayList<>(most);
    }

    @Override
    public void processElement(StreamRecord<RowData> element) {
        waiting.add(element.getValue().getBinary(0));
        if (waiting.size() == most) {
            send();
        } else if (waiting.size() == 1) {
            ProcessingTimeService clock = getProcessingTimeService();
            clock.registerTimer(clock.getCurrentProcessingTime() + waitMs, this);
        }
    }

    /** The wait of a batch is over; if that one is gone already, the next one goes sooner. */
    @Override
    public void onProcessingTime(long timestamp) {
        send();
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) {
        send();
    }

    @Override
    public void finish() {
        send();
    }

    private void send() {
        if (!waiting.isEmpty()) {
            byte[][] batch = waiting.toArray(new byte[0][]);
            waiting.clear();
            output.collect(new StreamRecord<>(Row.of((Object) batch)));
        }
    }
}

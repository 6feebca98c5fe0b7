package freshet.features;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.util.Collector;

/**
 * One event -> one touch for each view whose key it has.
 *
 * <p>The columns of a row: event_id, subject, event_type, event_time, position, item_id, category, partition, then the texts
 * that keys are made of, then what the event brings to the features.
 */
final class Explode implements FlatMapFunction<RowData, Touch> {
    private static final int EVENT_ID = 0;
    private static final int SUBJECT = 1;
    private static final int EVENT_TYPE = 2;
    private static final int EVENT_TIME = 3;
    private static final int POSITION = 4;
    private static final int ITEM_ID = 5;
    private static final int CATEGORY = 6;
    private static final int PARTITION = 7;

    private final Spec spec;
    private final Brought[] brought;

    Explode(Spec spec, List<LogicalType> columns) {
        this.spec = spec;
        this.brought = columns.stream().map(Explode::brought).toArray(Brought[]::new);
    }

    /** How what an event brings is read of a column. */
    private enum Brought {
        NUMBER,
        TEXT,
        VECTOR
    }

    private static Brought brought(LogicalType type) {
        if (!type.is(LogicalTypeRoot.ARRAY)) {
            return type.is(LogicalTypeRoot.VARCHAR) ? Brought.TEXT : Brought.NUMBER;
        }
        if (!((ArrayType) type).getElementType().is(LogicalTypeRoot.DOUBLE)) {
            throw new IllegalArgumentException("a vector is an ARRAY<DOUBLE>, not " + type.asSummaryString());
        }
        return Brought.VECTOR;
    }

    @Override
    public void flatMap(RowData row, Collector<Touch> out) {
        List<Spec.View> touched = new ArrayList<>(spec.views.size());
        for (Spec.View view : spec.views) {
            if (hasKey(row, view)) {
                touched.add(view);
            }
        }
        String eventId = text(row, EVENT_ID);
        String subject = text(row, SUBJECT);
        String eventType = text(row, EVENT_TYPE);
        long time = row.getLong(EVENT_TIME);
        for (Spec.View view : touched) {
            boolean speaks = view.name.equals(spec.subjectView);
            Cause cause = new Cause(
                    view.name,
                    subject,
                    eventId,
                    touched.size(),
                    eventType,
                    time,
                    speaks ? text(row, ITEM_ID) : null,
                    speaks ? text(row, CATEGORY) : null,
                    0,
                    0);
            out.collect(new Touch(
                    key(row, view), row.getInt(PARTITION), row.getLong(POSITION), values(row, view), cause));
        }
    }

    private static boolean hasKey(RowData row, Spec.View view) {
        for (int column : view.keys) {
            if (row.isNullAt(column)) {
                return false;
            }
        }
        return true;
    }

    private static String[] key(RowData row, Spec.View view) {
        String[] key = new String[view.keys.length];
        for (int at = 0; at < key.length; at++) {
            key[at] = text(row, view.keys[at]);
        }
        return key;
    }

    private Object[] values(RowData row, Spec.View view) {
        Object[] values = new Object[view.features.size()];
        for (int at = 0; at < values.length; at++) {
            int column = view.features.get(at).column;
            values[at] = row.isNullAt(column) ? null : value(row, column);
        }
        return values;
    }

    private Object value(RowData row, int column) {
        switch (brought[column]) {
            case TEXT:
                return text(row, column);
            case VECTOR:
                return vector(row.getArray(column));
            default:
                return row.getDouble(column);
        }
    }

    /** Returns the numbers of a vector; null, so that it brings nothing, if one of them is missing. */
    private static double[] vector(ArrayData array) {
        boolean whole = IntStream.range(0, array.size()).noneMatch(array::isNullAt);
        return whole ? array.toDoubleArray() : null;
    }

    private static String text(RowData row, int column) {
        return row.isNullAt(column) ? null : row.getString(column).toString();
    }
}

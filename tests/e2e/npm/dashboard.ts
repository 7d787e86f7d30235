// SPDX-License-Identifier: Apache-2.0
// What a dashboard of docker/grafana must be, by Grafana's own types: each kind
// of panel with its own options, each query one of Prometheus. Only for tsc.
import type {
  AnnotationContainer, AnnotationQuery, DataQuery, DataSourceRef, Dashboard,
  FieldConfig, Panel, RowPanel, TableFieldOptions, TableOptions, VariableModel,
} from "@grafana/schema";
import type * as stat from
  "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeline from
  "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as timeseries from
  "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// Enums as JSON has them: their values.
type Plain<T> =
  T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends unknown[] ? { [K in keyof T]: Plain<T[K]> }
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;

// A member that an interface with an index signature would let pass is named.
type Known<T> = {
  [K in keyof T as string extends K ? never : number extends K ? never : K]: T[K]
};

// The types have no query of Prometheus: its members, as Grafana saves them.
interface Query extends Known<DataQuery> {
  refId: string;
  datasource: DataSourceRef;
  expr: string;
  legendFormat: string;
  editorMode?: "code" | "builder";
  format?: "time_series" | "table" | "heatmap";
  instant?: boolean;
  range?: boolean;
}

type PanelOf<Type extends string, Options, Custom> =
  Omit<Known<Panel>, "type" | "id" | "title" | "options" | "targets"
    | "fieldConfig" | "gridPos"> & {
    type: Type;
    id: number;
    title: string;
    gridPos: NonNullable<Panel["gridPos"]>;
    options: Options;
    targets: [Query, ...Query[]];
    fieldConfig: {
      defaults: Omit<Known<FieldConfig>, "custom"> & { custom?: Custom };
      overrides: NonNullable<Panel["fieldConfig"]>["overrides"];
    };
  };

type AnyPanel =
  | RowPanel
  | PanelOf<"timeseries", timeseries.Options, timeseries.FieldConfig>
  | PanelOf<"stat", stat.Options, never>
  | PanelOf<"state-timeline", timeline.Options, timeline.FieldConfig>
  | PanelOf<"table", TableOptions, Partial<TableFieldOptions>>;

type Annotation = Omit<Known<AnnotationQuery>, "target"> & {
  target: Omit<Query, "legendFormat"> & { legendFormat?: string };
};

export type MediaTreeDashboard = Plain<
  Omit<Known<Dashboard>, "panels" | "annotations" | "templating"> & {
    uid: string;
    title: string;
    panels: AnyPanel[];
    annotations: Omit<AnnotationContainer, "list"> & { list: Annotation[] };
    templating: { list: VariableModel[] };
  }
>;
